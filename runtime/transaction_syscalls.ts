// What mutations ask of the server while they run: the little that an isolate without files, network
// and secrets cannot do by itself. The rooms above register it under the names that the isolate sends.

import { PlatformError, userError } from "../engine/errors.ts";
import type { Json } from "../engine/values/value.ts";
import type { PendingCall } from "./call_queue.ts";
import type { SyscallFrame, SyscallResult } from "./frames.ts";
import type { RuntimeLimits } from "./limits.ts";
import { SYSTEM_FAILURE_MESSAGE } from "./system_failure.ts";
import { overrunMessage } from "./watchdog.ts";

/** A question of a mutation. */
export interface TransactionRequest {
  readonly args: { readonly [name: string]: Json };
  /** Sent beside the arguments. */
  readonly bytes: Uint8Array;
  /** `callback` runs when it is decided whether the mutation is committed. */
  whenDecided(callback: () => void): void;
}

export interface TransactionAnswer {
  /** JSON text. */
  readonly value: string;
  readonly bytes?: Uint8Array;
}

/** @throws PlatformError what the mutation may be told */
export type TransactionSyscall = (request: TransactionRequest) => Promise<TransactionAnswer>;

export interface TransactionReply {
  readonly result: SyscallResult;
  readonly bytes?: Uint8Array;
}

export class TransactionSyscalls {
  readonly #handlers = new Map<string, TransactionSyscall>();
  readonly #onFault: (message: string) => void;

  constructor(onFault: (message: string) => void) {
    this.#onFault = onFault;
  }

  register(name: string, handler: TransactionSyscall): void {
    this.#handlers.set(name, handler);
  }

  /**
   * Never throws: what went wrong is the answer. It comes before the mutation's system time is over.
   * @param pending undefined: the call runs elsewhere by now, what it does here is not wanted
   */
  async answer(
    { name, args }: SyscallFrame,
    bytes: Uint8Array,
    pending: PendingCall | undefined,
    limits: RuntimeLimits,
  ): Promise<TransactionReply> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    try {
      if (pending === undefined) throw userError("CallWithdrawn", SYSTEM_FAILURE_MESSAGE);
      const handler = this.#handlers.get(name);
      if (handler === undefined) {
        throw userError("UnknownOperation", `Unknown async operation ${name}`);
      }
      const late = new Promise<never>((_resolve, reject) => {
        const error = userError("SystemTimeoutError", overrunMessage("systemTime", limits));
        timer = setTimeout(() => reject(error), limits.systemTimeMs);
      });
      const request = {
        args: JSON.parse(args),
        bytes,
        whenDecided: (callback: () => void) => pending.end.whenDecided(callback),
      };
      const answer = await Promise.race([handler(request), late]);
      return { result: { ok: true, value: answer.value }, bytes: answer.bytes };
    } catch (error) {
      if (error instanceof PlatformError && error.kind !== "internal") {
        return { result: { ok: false, message: error.message, data: error.data } };
      }
      this.#onFault(`syscall ${name} failed: ${(error as Error).stack}`);
      return { result: { ok: false, message: SYSTEM_FAILURE_MESSAGE } };
    } finally {
      clearTimeout(timer);
    }
  }
}
