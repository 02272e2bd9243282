// One action that runs in a Node process: what it asks of the server, what it logs, and its end.

import process from "node:process";
import { GET_BLOB, receiveBlob, STORE_BLOB, storeRequest } from "../isolate/action_storage.ts";
import { syscallError } from "../syscall_error.ts";
import { ByteStreams } from "../byte_streams.ts";
import type { SyscallResult } from "../frames.ts";
import type { StreamFrame } from "../stream_frames.ts";
import type { LogLevel } from "../types.ts";
import { ConsoleTimers } from "../console_timers.ts";
import type { FromNode, NodeOutcome } from "./protocol.ts";

/** Characters that one action may log. */
const LOG_CHARACTERS_MAX = 1_000_000;
const DATABASE_OPERATION =
  /^1\.0\/(?:get|count|insert|shallowMerge|replace|remove|query(?:Stream|StreamNext|Page|Cleanup))$/;

interface PendingOperation {
  readonly name: string;
  readonly resolve: (value: string) => void;
  readonly reject: (error: Error) => void;
}

export interface NodeCallOptions {
  readonly callId: number;
  readonly operationsMax: number;
  readonly send: (frame: FromNode) => void;
  /** Called once, when the outcome was sent or nobody waits for it. */
  readonly onEnd: () => void;
}

export class NodeCall {
  ended = false;
  readonly timers = new ConsoleTimers((level, messages) => this.log(level, messages));
  readonly #options: NodeCallOptions;
  readonly #streams: ByteStreams;
  readonly #operations = new Map<number, PendingOperation>();
  #operationsHighest = 0;
  #lastOperation = 0;
  #logCharacters = 0;

  constructor(options: NodeCallOptions) {
    this.#options = options;
    this.#streams = new ByteStreams(options.callId, options.send);
  }

  log(level: LogLevel, messages: readonly string[]): void {
    if (this.ended || this.#logCharacters > LOG_CHARACTERS_MAX) return;
    for (const message of messages) this.#logCharacters += message.length;
    const isOverflow = this.#logCharacters > LOG_CHARACTERS_MAX;
    const line = isOverflow
      ? {
        level: "ERROR" as const,
        messages: ["Log overflow (maximum 1M characters). Remaining log lines omitted."],
      }
      : { level, messages };
    this.#options.send({ type: "log", callId: this.#options.callId, ...line });
  }

  /** An asynchronous operation of `convex/server`. */
  asyncSyscall(name: string, args: string): Promise<string> {
    return this.#ask(name, args);
  }

  jsSyscall(name: string, args: Record<string, unknown>): Promise<unknown> {
    switch (name) {
      case STORE_BLOB:
        return this.#storeBlob(args);
      case GET_BLOB:
        return this.#getBlob(args);
      default:
        return Promise.reject(new Error(`Unknown operation ${name}`));
    }
  }

  /** The host's answer. */
  reply(opId: number, result: SyscallResult): void {
    const pending = this.#operations.get(opId);
    if (pending === undefined) return;
    this.#operations.delete(opId);
    if (result.ok) pending.resolve(result.value);
    else pending.reject(syscallError(result.message, result.data));
  }

  /** Bytes of a file. */
  receive(frame: StreamFrame): void {
    this.#streams.receive(frame);
  }

  finish(outcome: NodeOutcome): void {
    if (this.ended) return;
    for (const name of new Set([...this.#operations.values()].map(({ name }) => name))) {
      this.log("WARN", [
        `You have an outstanding ${name} call. Operations should be awaited or they might not ` +
        "run. Not awaiting promises might result in unexpected failures. See " +
        "https://docs.convex.dev/functions/actions#dangling-promises for more information.",
      ]);
    }
    const usage = {
      operations: this.#operationsHighest,
      heapBytes: process.memoryUsage().heapUsed,
    };
    this.#options.send({ type: "result", callId: this.#options.callId, outcome, usage });
    this.end();
  }

  /** Ends the call without an outcome. */
  end(): void {
    if (this.ended) return;
    this.ended = true;
    this.#operations.clear();
    this.#streams.close("the action has ended");
    this.#options.onEnd();
  }

  #ask(name: string, args: string, onSent?: (opId: number) => void): Promise<string> {
    const { callId, operationsMax, send } = this.#options;
    if (DATABASE_OPERATION.test(name)) {
      throw new Error(
        "The Convex database object is being used outside of a Convex query or mutation.",
      );
    }
    if (this.#operations.size >= operationsMax) {
      throw new Error(
        "Too many concurrent operations. See " +
          "https://docs.convex.dev/functions/actions#limits for more information.",
      );
    }
    return new Promise((resolve, reject) => {
      const opId = ++this.#lastOperation;
      this.#operations.set(opId, { name, resolve, reject });
      this.#operationsHighest = Math.max(this.#operationsHighest, this.#operations.size);
      send({ type: "syscall", callId, opId, name, args });
      onSent?.(opId);
    });
  }

  async #storeBlob(blobAndOptions: Record<string, unknown>): Promise<unknown> {
    const { blob, args } = storeRequest(blobAndOptions);
    const answer = await this.#ask(STORE_BLOB, args, (opId) => {
      this.#streams.sendAll(opId, blob.stream());
    });
    return JSON.parse(answer);
  }

  async #getBlob(args: Record<string, unknown>): Promise<Blob | null> {
    let operation = 0;
    const answer = await this.#ask(GET_BLOB, JSON.stringify(args), (opId) => {
      operation = opId;
    });
    return await receiveBlob(answer, () => this.#streams.incoming(operation));
  }
}
