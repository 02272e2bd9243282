// The modules that one-off queries import: `convex:/_system/repl/wrappers.js` with the builders of
// the npm package, which works before any app was pushed (spec http-api 8.4).

import type { Analyzer } from "../runtime/analysis.ts";
import type { PreparedModule } from "../runtime/frames.ts";

const WRAPPERS_PATH = "_system/repl/wrappers.js";
const LIBRARY_DIRECTORY = "_system/repl/convex/";
const REGISTRATION = "server/impl/registration_impl.js";

const WRAPPERS_SOURCE =
  `export { queryGeneric as query, internalQueryGeneric as internalQuery } from "./convex/${REGISTRATION}";`;

/** Static imports and re-exports of a relative path. */
const RELATIVE_IMPORT = /(?:\bfrom|\bimport)\s*"(\.[^"]+)"/g;

let prepared: Promise<PreparedModule[]> | null = null;

/** The wrappers and the part of the npm package that they need, prepared on first use. */
export function replModules(analyzer: Analyzer): Promise<PreparedModule[]> {
  prepared ??= analyzer.prepare([
    { path: WRAPPERS_PATH, source: WRAPPERS_SOURCE },
    ...librarySources(),
  ]).catch((error) => {
    prepared = null;
    throw error;
  });
  return prepared;
}

/** The files of the package that registering queries reaches, by following their imports. */
function librarySources(): { path: string; source: string }[] {
  // The entry is `…/dist/esm/server/index.js`.
  const root = new URL("../", import.meta.resolve("convex/server"));
  const sources = new Map<string, string>();
  const queue = [new URL(REGISTRATION, root)];
  while (queue.length > 0) {
    const url = queue.pop()!;
    const path = LIBRARY_DIRECTORY + url.href.slice(root.href.length);
    if (sources.has(path)) continue;
    const source = Deno.readTextFileSync(url);
    sources.set(path, source);
    for (const [, specifier] of source.matchAll(RELATIVE_IMPORT)) {
      queue.push(new URL(specifier!, url));
    }
  }
  return [...sources].map(([path, source]) => ({ path, source }));
}
