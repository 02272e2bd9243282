// What kind of function a scheduled path names now.

import type { Engine } from "../../engine/engine.ts";
import { SYSTEM_TABLES, systemIndexId } from "../../engine/system_tables.ts";
import { HostCode } from "../../runtime/host_code.ts";
import type { FunctionKind, FunctionPath } from "../../runtime/types.ts";

const MODULES_INDEX = systemIndexId(SYSTEM_TABLES.modules.number, 0);
const MUTATIONS_KEPT_MAX = 4096;

type RunnableKind = "mutation" | "action";

/** Looks kinds up, and remembers until the next push what is a mutation. */
export class FunctionKinds {
  readonly #mutations = new Set<string>();
  readonly #stopListening: () => void;

  constructor(
    engine: Engine,
    private readonly kindOf: (path: FunctionPath) => FunctionKind | null,
  ) {
    this.#stopListening = engine.onCommit(({ keys }) => {
      if (keys.has(MODULES_INDEX)) this.forget();
    });
  }

  /**
   * How to run the function; null if it does not exist. Queries and HTTP actions are tried as
   * mutations, which says in the platform's words that they are none. A push may have made this
   * wrong in the last moments: call {@link forget} before trusting a failure.
   */
  runnableKind(path: FunctionPath): RunnableKind | null {
    const key = `${path.component}/${path.module}:${path.name}`;
    if (this.#mutations.has(key)) return "mutation";
    // Not remembered: what was started as an action, or failed as missing, cannot be tried again.
    const kind = this.kindOf(path);
    if (kind === null || kind === "action") return kind;
    if (this.#mutations.size >= MUTATIONS_KEPT_MAX) this.#mutations.clear();
    this.#mutations.add(key);
    return "mutation";
  }

  forget(): void {
    this.#mutations.clear();
  }

  close(): void {
    this.#stopListening();
  }
}

/** The error of a job whose function is gone (spec services 1.4). */
export function missingTargetText(engine: Engine, path: FunctionPath): string {
  const module = engine.read((tx) => new HostCode(tx).module(path.component, path.module)).value;
  return module === null
    ? `Couldn't find JavaScript module '${path.module}'. Did you forget to run \`npx convex dev\`?`
    : `Couldn't find "${path.name}" in module "${path.module}".`;
}
