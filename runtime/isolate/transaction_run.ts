// What all executions of one top-level query or mutation share, and what each of them has for
// itself: the state that database syscalls work on.

import { userError } from "../../engine/errors.ts";
import type { Database, RowStream } from "../../engine/database.ts";
import type { Transaction } from "../../engine/transaction.ts";
import type { Json, JsonObject } from "../../engine/values/value.ts";
import type { RunCall } from "../frames.ts";
import type { ComponentId } from "../../engine/types.ts";
import type { FunctionPath } from "../types.ts";
import type { UploadTokens } from "../upload_tokens.ts";
import type { TransactionClock } from "./clock.ts";
import type { CodeAccess } from "./code_view.ts";
import type { HostAnswer } from "./host_requests.ts";
import type { ImportedModules } from "./imported_modules.ts";

/** What functions need to speak of files. */
export interface FileServices {
  /** The public origin of the API as it was configured. */
  readonly cloudUrl: string;
  readonly uploadTokens: UploadTokens;
}

/** Shared by a top-level function and all that it calls. */
export interface RunState {
  readonly call: RunCall;
  readonly clock: TransactionClock;
  /** Shown by `getDeploymentMetadata`. */
  readonly deploymentName: string;
  readonly files: FileServices;
  /** Asks the host, and waits for it. @throws PlatformError what the function may be told */
  ask(name: string, args: JsonObject, bytes?: Uint8Array): HostAnswer;
  /** The run looked at who is calling: its result may not be shared with others. */
  observedIdentity: boolean;
  /** Whether, and how, the run depends on instances that other runs use (instance_seal.ts). */
  readonly reuse: ReuseState;
}

interface Entry {
  readonly component: ComponentId;
  readonly path: string;
}

/** What a run and its nested calls have to do with what they share with other runs. */
export class ReuseState {
  /** Entries whose sealed instances were used. */
  readonly entries: Entry[] = [];
  /** Entries that tried to change built-in objects. */
  readonly patching: (Entry & { readonly modules: ImportedModules })[] = [];
  #sawTypeError = false;

  constructor(readonly allowSealed: boolean) {}

  /** User code swallowed or threw an error. */
  note(error: unknown): void {
    if (error instanceof TypeError) this.#sawTypeError = true;
  }

  /** A write to a sealed instance may have failed: fresh instances must show what happens there. */
  get isDoubtful(): boolean {
    const sawRefusal = this.#sawTypeError || this.patching.length > 0;
    return sawRefusal && this.entries.length > 0;
  }

  /** Built-in objects, and no sealed instances, refused to change: private realms must let them. */
  get needsPrivateRealm(): boolean {
    return this.patching.length > 0 && this.entries.length === 0;
  }
}

export type TransactionKind = "query" | "mutation";

/** One execution of a query or mutation, as syscalls see it. */
export class TransactionRun {
  readonly database: Database;
  /** End of the page that the function read; null until it paginates. */
  journalOut: string | null = null;
  /** Adds a line of the server's to the function's log. */
  warn: (message: string, code?: string) => void = () => {};
  #nextQueryId = 0;
  readonly #streams = new Map<number, RowStream>();

  constructor(
    readonly state: RunState,
    readonly kind: TransactionKind,
    readonly path: FunctionPath,
    readonly tx: Transaction,
    readonly code: CodeAccess,
    /** Where the page of the previous run of this subscription ended. */
    readonly journalIn: string | null,
  ) {
    this.database = tx.database(path.component);
  }

  openStream(query: Json | undefined, version: Json | undefined): number {
    const id = this.#nextQueryId++;
    this.#streams.set(id, this.database.startQuery(query, version));
    return id;
  }

  stream(id: Json | undefined): RowStream | undefined {
    return typeof id === "number" ? this.#streams.get(id) : undefined;
  }

  /** Whether the stream was still open. */
  closeStream(id: Json | undefined): boolean {
    const stream = this.stream(id);
    if (stream === undefined) return false;
    stream.close();
    return this.#streams.delete(id as number);
  }

  closeAllStreams(): void {
    for (const stream of this.#streams.values()) stream.close();
    this.#streams.clear();
  }
}

/**
 * @param what of it queries cannot do
 * @throws PlatformError unless the execution is a mutation's
 */
export function requireMutation(
  run: TransactionRun,
  name: string,
  what = "write to the database",
): void {
  if (run.kind === "mutation") return;
  throw userError("WriteInQuery", `Invalid operation \`${name}\`: queries cannot ${what}.`);
}

/** Arguments of a syscall. @throws PlatformError when the text is no JSON object. */
export function parseSyscallArgs(text: string): JsonObject {
  let args: unknown;
  try {
    args = JSON.parse(text);
  } catch (error) {
    throw userError("InvalidJson", `Received invalid json: ${(error as Error).message}`);
  }
  if (typeof args !== "object" || args === null || Array.isArray(args)) {
    throw userError("InvalidJson", "Received invalid json: expected an object");
  }
  return args as JsonObject;
}
