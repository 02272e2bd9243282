// `fetch` and timers: real in actions, errors elsewhere (spec function-runtime 3.3 and 4).

import { requireAction, unsupportedInTransactions } from "./realm_globals.ts";
import { captureContext, currentScope, runInContext, type ScopeOperations } from "./scope.ts";

const USER_AGENT = "Convex/1.0";

/** The originals, taken before lockdown. */
export interface NativeNetwork {
  readonly fetch: (request: Request, init: { signal: AbortSignal }) => Promise<Response>;
  readonly setTimeout: (callback: () => void, delay: number) => number;
  readonly clearTimeout: (id: number) => void;
}

/** `fetch` of the realm. */
export function createFetch(native: NativeNetwork): typeof fetch {
  const scopedFetch = async (input: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
    requireAction("fetch()");
    const operations = currentScope().operations!;
    // An action that has ended gets no more from the network.
    if (operations.ended) return await new Promise(() => {});
    const request = new Request(input, init);
    const { protocol } = new URL(request.url);
    if (protocol !== "http:" && protocol !== "https:") {
      throw new Error(
        `Unsupported URL scheme -- http and https are supported (scheme was ${
          protocol.slice(0, -1)
        })`,
      );
    }
    if (!request.headers.has("user-agent")) request.headers.set("user-agent", USER_AGENT);
    operations.begin("fetch");
    try {
      const signal = AbortSignal.any([request.signal, operations.ending]);
      return await native.fetch(request, { signal });
    } catch (error) {
      // An abort keeps its own error; everything else is the network's.
      if (error instanceof DOMException || request.signal.aborted) throw error;
      throw new Error(networkFailure(error));
    } finally {
      operations.end("fetch");
    }
  };
  Object.defineProperty(scopedFetch, "name", { value: "fetch" });
  return scopedFetch as typeof fetch;
}

/** What Deno says about connections that the server's policy denies. */
const DENIED = /Requires net access to "([^"]*)"/;

function networkFailure(error: unknown): string {
  const { message, cause } = error as { message?: unknown; cause?: { message?: unknown } };
  const detail = String(cause?.message ?? message ?? error);
  const denied = DENIED.exec(detail);
  return denied === null
    ? detail
    : `Network access to ${denied[1]} is denied by the configuration of this server`;
}

type Handler = (...args: unknown[]) => unknown;

export interface RealmTimers {
  setTimeout(handler: unknown, delay?: unknown, ...args: unknown[]): number;
  setInterval(handler: unknown, delay?: unknown, ...args: unknown[]): number;
  clearTimeout(id?: unknown): void;
  clearInterval(id?: unknown): void;
}

/** The ids that user code knows → what stops the native timer. */
const running = new Map<number, () => void>();
let nextId = 1;

/** Stops a timer, such as one of an action that ended. */
export function clearTimer(id: number): void {
  running.get(id)?.();
  running.delete(id);
}

/** Timers of the realm. A timer belongs to the action that set it and ends with it. */
export function createTimers(native: NativeNetwork): RealmTimers {
  const start = (
    what: "setTimeout" | "setInterval",
    handler: unknown,
    delay: unknown,
    args: unknown[],
  ): number => {
    const scope = currentScope();
    if (scope.phase === "import") throw new Error(`${what} unsupported at import time`);
    if (scope.phase === "transaction") {
      // The call itself succeeds; the error fails the function as an unhandled rejection.
      scope.unhandledRejection(unsupportedInTransactions(what));
      return 0;
    }
    if (typeof handler !== "function") {
      throw new TypeError(`${what}: the handler must be a function`);
    }
    const operations = scope.operations!;
    const id = nextId++;
    if (operations.ended) return id;
    const context = captureContext();
    const schedule = () => {
      const nativeId = native.setTimeout(fire, delayMs(delay));
      running.set(id, () => native.clearTimeout(nativeId));
    };
    const fire = () => {
      if (!running.has(id) || operations.ended) return;
      if (what === "setInterval") schedule();
      else end(id, operations);
      try {
        runInContext(context, () => (handler as Handler)(...args));
      } catch (error) {
        scope.unhandledRejection(error);
      }
    };
    operations.addTimer(id);
    schedule();
    return id;
  };

  const end = (id: number, operations: ScopeOperations | undefined): void => {
    running.delete(id);
    operations?.removeTimer(id);
  };

  const clear = (id: unknown): void => {
    // Timers of other actions are not this code's to clear.
    if (currentScope().operations?.removeTimer(Number(id))) clearTimer(Number(id));
  };

  return {
    setTimeout: (handler, delay, ...args) => start("setTimeout", handler, delay, args),
    setInterval: (handler, delay, ...args) => start("setInterval", handler, delay, args),
    clearTimeout: (id) => clear(id),
    clearInterval: (id) => clear(id),
  };
}

/** Negative and senseless delays count as none. */
function delayMs(delay: unknown): number {
  const ms = Number(delay);
  return ms > 0 ? ms : 0;
}
