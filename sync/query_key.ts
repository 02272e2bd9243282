// What makes two query requests the same (function-runtime 7): function, arguments, who may be called,
// the journal, and the identity if the run looks at it.

import type { FunctionCall, Identity } from "../runtime/types.ts";

export class QueryKey {
  readonly #base: string;
  /** Key of a result that everybody may share. */
  readonly shared: string;

  constructor(call: FunctionCall, readonly journal: string | null) {
    const { path, context } = call;
    // The parts contain no NUL (paths and JSON text cannot), so they cannot run into each other.
    this.#base = `${context.visibility}\0${context.notFoundWording ?? ""}\0${path.component}\0` +
      `${path.module}\0${path.name}\0${call.args}\0`;
    this.shared = this.#withJournal("", journal);
  }

  /** Key of a result that belongs to one identity; "" for one that everybody may share. */
  of(identity: string, journal = this.journal): string {
    return identity === "" && journal === this.journal
      ? this.shared
      : this.#withJournal(identity, journal);
  }

  /** The journal is the client's own text: it comes last. */
  #withJournal(identity: string, journal: string | null): string {
    return journal === null ? this.#base + identity : `${this.#base}${identity}\0${journal}`;
  }
}

const identityKeys = new WeakMap<Identity, string>();

/** The identity as a function sees it: the attributes and not the token. */
export function identityKey(identity: Identity): string {
  let key = identityKeys.get(identity);
  if (key === undefined) {
    key = identity.kind;
    if (identity.kind === "user" || identity.kind === "acting") {
      const attributes = Object.entries(identity.attributes).sort(([a], [b]) => a < b ? -1 : 1);
      key += JSON.stringify(attributes);
    }
    identityKeys.set(identity, key);
  }
  return key;
}
