// What the host and a Node process say to each other, in frames as in `frames.ts`. The process runs
// the app's `"use node"` modules; it knows neither the database nor other functions.

import type { ReplyFrame } from "../frames.ts";
import type { StreamFrame } from "../stream_frames.ts";
import type { LogLevel } from "../types.ts";

/** Always the first frame. */
export interface NodeInitFrame {
  readonly type: "init";
  /** Holds the modules at their paths, and `node_modules` if the app has external packages. */
  readonly appDirectory: string;
  /** The only directory that the process may write. */
  readonly temporaryDirectory: string;
  /** The app's variables. */
  readonly environment: Readonly<Record<string, string>>;
  /** Operations of one action that may be under way at a time. */
  readonly operationsMax: number;
  /** The operator allows native add-ons. */
  readonly nativeAddons: boolean;
}

export type ToNode =
  | NodeInitFrame
  | { readonly type: "describe"; readonly id: number; readonly module: string }
  | {
    readonly type: "run";
    readonly callId: number;
    readonly module: string;
    readonly name: string;
    /** JSON text of the argument array. */
    readonly args: string;
    readonly timeMs: number;
  }
  | ReplyFrame
  | StreamFrame
  /** Nobody waits for the action any more. */
  | { readonly type: "cancel"; readonly callId: number };

/** A position in a pushed module, as V8 counts: lines and columns from 1. */
export interface ModuleFrame {
  /** `dir/file.js` */
  readonly path: string;
  readonly line: number;
  readonly column: number;
  readonly functionName: string | null;
  readonly isAsync: boolean;
  readonly isConstructor: boolean;
}

/** Something that the developer's code threw. */
export interface ReportedError {
  /** The message that the caller sees, without frames. */
  readonly message: string;
  /** JSON text of a ConvexError's data, unchecked. */
  readonly data?: string;
  readonly frames: readonly ModuleFrame[];
}

/** What an action used of the limits, and its process at the action's end. */
export interface NodeUsage {
  /** Operations that were under way at a time. */
  readonly operations: number;
  readonly heapBytes: number;
}

/** How an action in a Node process ended. `value` is JSON text, unchecked. */
export type NodeOutcome =
  | { readonly ok: true; readonly value: string }
  | { readonly ok: false; readonly error: ReportedError };

/** An export that may be a registered function, as its module tells. */
export interface ExportDescription {
  readonly name: string;
  readonly udfType: "Query" | "Mutation" | "Action";
  readonly visibility: "public" | "internal" | null;
  /** What the export's methods returned; null: there is no such method. */
  readonly args: string | null;
  readonly returns: string | null;
  /** Source text of the handler. */
  readonly handlerText: string | null;
}

export type ModuleDescription =
  | { readonly ok: true; readonly exports: readonly ExportDescription[] }
  | { readonly ok: false; readonly error: ReportedError };

export type FromNode =
  | { readonly type: "ready" }
  | { readonly type: "described"; readonly id: number; readonly description: ModuleDescription }
  | {
    readonly type: "log";
    readonly callId: number;
    readonly level: LogLevel;
    readonly messages: readonly string[];
  }
  | {
    readonly type: "syscall";
    readonly callId: number;
    readonly opId: number;
    readonly name: string;
    /** JSON text. */
    readonly args: string;
  }
  | StreamFrame
  | {
    readonly type: "result";
    readonly callId: number;
    readonly outcome: NodeOutcome;
    readonly usage: NodeUsage;
  }
  /** Code that nobody waits for may go on in the process: it should get no more actions. */
  | { readonly type: "leaving" };
