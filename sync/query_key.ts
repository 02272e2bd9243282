// What makes two query requests the same (function-runtime 7): function, arguments, who may be called,
// the journal, and the identity if the run looks at it.

import type { FunctionCall, Identity } from "../runtime/types.ts";

/**
 * Everything but identity and journal. The parts contain no NUL (JSON text and paths cannot), so
 * they cannot run into each other.
 */
export function queryKeyBase(call: FunctionCall): string {
  const { path, context } = call;
  return `${context.visibility}\0${context.notFoundWording ?? ""}\0${path.component}\0` +
    `${path.module}\0${path.name}\0${call.args}\0`;
}

/** `identity` is "" for a result that everybody may share. The journal is the client's: it comes last. */
export function queryKey(base: string, identity: string, journal: string | null): string {
  return journal === null ? `${base}${identity}` : `${base}${identity}\0${journal}`;
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
