// What actions ask of the server while they run. The runtime answers calls of other functions; the
// rooms above register the rest (scheduling, files, …) under the names that the isolate sends.

import type { SyscallStreams } from "./action_isolate.ts";
import { ActionTurns } from "./action_turns.ts";
import { PlatformError, userError } from "../engine/errors.ts";
import type { Engine } from "../engine/engine.ts";
import type { Json } from "../engine/values/value.ts";
import type { RunCall, SyscallResult } from "./frames.ts";
import { HostCode } from "./host_code.ts";
import { resolveInAction } from "./isolate/function_address.ts";
import { SYSTEM_FAILURE_MESSAGE } from "./system_failure.ts";
import type {
  FunctionCall,
  FunctionPath,
  FunctionResult,
  FunctionRunner,
  Identity,
} from "./types.ts";

export type SyscallArguments = { readonly [name: string]: Json };

/**
 * Answers one syscall with JSON text.
 * @param call the action that asks
 * @param streams bytes beside the JSON
 * @throws PlatformError what the action may be told
 */
export type ActionSyscall = (
  args: SyscallArguments,
  call: RunCall,
  streams: SyscallStreams,
) => Promise<string>;

/** A function of the developer's failed in a nested call: the caller sees its text. */
class NestedFailure extends Error {
  constructor(readonly result: FunctionResult & { ok: false }) {
    super(result.error.text);
  }
}

export class ActionSyscalls {
  readonly #handlers = new Map<string, ActionSyscall>();
  readonly #onFault: (message: string) => void;

  constructor(onFault: (message: string) => void) {
    this.#onFault = onFault;
  }

  register(name: string, handler: ActionSyscall): void {
    this.#handlers.set(name, handler);
  }

  /** Never throws: what went wrong is the answer. */
  async answer(
    name: string,
    args: string,
    call: RunCall,
    streams: SyscallStreams,
  ): Promise<SyscallResult> {
    try {
      const handler = this.#handlers.get(name);
      if (handler === undefined) {
        throw userError("UnknownOperation", `Unknown async operation ${name}`);
      }
      return { ok: true, value: await handler(JSON.parse(args), call, streams) };
    } catch (error) {
      if (error instanceof NestedFailure) {
        const { text, data } = error.result.error;
        return { ok: false, message: text, data };
      }
      if (error instanceof PlatformError && error.kind !== "internal") {
        return { ok: false, message: error.message, data: error.data };
      }
      this.#onFault(`syscall ${name} failed: ${(error as Error).stack}`);
      return { ok: false, message: SYSTEM_FAILURE_MESSAGE };
    }
  }
}

/** Registers `ctx.runQuery`, `ctx.runMutation` and `ctx.runAction` (spec function-runtime 1.4). */
export function registerFunctionCalls(
  syscalls: ActionSyscalls,
  engine: Engine,
  runner: FunctionRunner,
): void {
  const target = (args: SyscallArguments, call: RunCall, syscall: string): FunctionCall => {
    const path = resolve(engine, args, call, syscall);
    return {
      path,
      args: JSON.stringify([args.args ?? {}]),
      context: {
        requestId: call.requestId,
        parentExecutionId: call.executionId,
        identity: calleeIdentity(call, path),
        caller: "Action",
        visibility: "all",
        ip: call.ip,
        userAgent: call.userAgent,
        job: call.job,
      },
    };
  };
  const turns = new WeakMap<RunCall, ActionTurns>();
  const turnsOf = (call: RunCall): ActionTurns => {
    let known = turns.get(call);
    if (known === undefined) turns.set(call, known = new ActionTurns());
    return known;
  };
  syscalls.register("1.0/actions/query", (args, call) =>
    turnsOf(call).run(async () => {
      const ts = engine.committer.durable;
      return value((await runner.runQuery(target(args, call, "runQuery"), ts, null)).result);
    }));
  syscalls.register(
    "1.0/actions/mutation",
    (args, call) =>
      turnsOf(call).run(async () =>
        value((await runner.runMutation(target(args, call, "runMutation"))).result)
      ),
  );
  syscalls.register("1.0/actions/action", async (args, call) => {
    return value((await runner.runAction(target(args, call, "runAction"))).result);
  });
}

function value(result: FunctionResult): string {
  if (!result.ok) throw new NestedFailure(result);
  return result.value;
}

function resolve(
  engine: Engine,
  args: SyscallArguments,
  call: RunCall,
  syscall: string,
): FunctionPath {
  return engine.read((tx) => resolveInAction(args, syscall, call.path.component, new HostCode(tx)))
    .value;
}

/** A user's identity stays within the app's own functions; an administrator's goes everywhere. */
function calleeIdentity(call: RunCall, path: FunctionPath): Identity {
  const isInApp = call.path.component === "" && path.component === "";
  return isInApp ? call.identity : withoutUser(call.identity);
}

/** What is left of an identity beyond the app's own functions: an administrator, or nobody. */
export function withoutUser(identity: Identity): Identity {
  const isUser = identity.kind === "user" || identity.kind === "acting";
  return isUser ? { kind: "anonymous" } : identity;
}
