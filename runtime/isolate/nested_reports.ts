// Tells the host where a run is among its nested calls, so that one of them that never ends can be told
// from its caller (runtime/nested_overruns.ts). Most runs only say once that their function makes
// nested calls: a frame for each call would cost more than a small call does.

import type { FromIsolate, RunCall } from "../frames.ts";
import type { NestedCallName } from "../nested_overruns.ts";
import type { FunctionPath } from "../types.ts";

/** Functions remembered. */
const CALLERS_MAX = 4096;

export class NestedReports {
  readonly #send: (frame: FromIsolate) => void;
  /** Functions of which the host knows that they make nested calls. */
  readonly #callers = new Set<string>();
  /** The run that was looked after last. */
  #latest: RunCall | null = null;

  constructor(send: (frame: FromIsolate) => void) {
    this.#send = send;
  }

  /**
   * A nested call is about to begin.
   * @param name of the nested call; null in runs without a trace
   * @returns the error with which it fails instead, if it is not to be run
   */
  begins(call: RunCall, name: NestedCallName | null): string | null {
    if (call !== this.#latest) this.#announce(call);
    if (name === null) return null;
    const stopped = call.nested!.stopped.find((each) => isSame(each, name));
    if (stopped !== undefined) return stopped.message;
    this.#send({ type: "nested", callId: call.callId, running: name, userMs: 0, systemMs: 0 });
    return null;
  }

  /**
   * A nested call has ended.
   * @param caller the nested call that goes on, null if it is the function that the host called
   */
  ended(
    { callId, nested }: RunCall,
    caller: NestedCallName | null,
    userMs: number,
    systemMs: number,
  ): void {
    if (nested === undefined) return;
    this.#send({ type: "nested", callId, running: caller, userMs, systemMs });
  }

  #announce(call: RunCall): void {
    this.#latest = call;
    const { component, module, name } = call.path;
    const caller = `${component}/${module}:${name}`;
    if (this.#callers.has(caller)) return;
    if (this.#callers.size === CALLERS_MAX) this.#callers.clear();
    this.#callers.add(caller);
    this.#send({ type: "nests", callId: call.callId });
  }
}

/** @param args JSON text */
export function nestedCallName(
  caller: NestedCallName | null,
  index: number,
  path: FunctionPath,
  args: string,
): NestedCallName {
  const position = caller === null ? `${index}` : `${caller.position}.${index}`;
  return { position, path, args: fingerprint(args) };
}

function isSame(a: NestedCallName, b: NestedCallName): boolean {
  return a.position === b.position && a.args === b.args && a.path.name === b.path.name &&
    a.path.module === b.path.module && a.path.component === b.path.component;
}

/** Differs for nearly all texts that differ: the arguments themselves may be megabytes. */
function fingerprint(text: string): string {
  let hash = 0;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash, 31) + text.charCodeAt(i) >>> 0;
  return `${text.length} ${hash}`;
}
