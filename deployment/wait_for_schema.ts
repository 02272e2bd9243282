// `wait_for_schema`: holds the request until the pending schema is decided and the indexes are
// built, or the time is over (spec deploy 10).

import type { Engine } from "../engine/engine.ts";
import { type SchemaStatus, schemaStatus } from "../engine/schema_lifecycle.ts";
import { SYSTEM_TABLES } from "../engine/system_tables.ts";
import type { PublishedCommit } from "../engine/types.ts";

const WAIT_MS_MAX = 60_000;
const WATCHED_TABLETS = [SYSTEM_TABLES.schemas.number, SYSTEM_TABLES.indexes.number];

export type SchemaIds = Readonly<Record<string, string | null>>;

/** The state of a push's schemas, by component path. */
export async function waitForSchema(
  engine: Engine,
  schemaIds: SchemaIds,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<SchemaStatus> {
  const { promise: end, resolve: finish } = Promise.withResolvers<void>();
  let isOver = false;
  const stop = () => {
    isOver = true;
    finish();
  };
  let change = Promise.withResolvers<void>();
  const unsubscribe = engine.onCommit((commit) => {
    if (!touchesSchemas(commit)) return;
    change.resolve();
    change = Promise.withResolvers();
  });
  const timer = setTimeout(stop, Math.min(timeoutMs, WAIT_MS_MAX));
  signal.addEventListener("abort", stop);
  try {
    while (true) {
      const changed = change.promise;
      const status = schemaStatus(engine, schemaIds);
      if (status.type !== "inProgress" || isOver) return status;
      await Promise.race([changed, end]);
    }
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", stop);
    unsubscribe();
  }
}

function touchesSchemas(commit: PublishedCommit): boolean {
  return commit.writes.some(({ tablet }) => WATCHED_TABLETS.includes(tablet));
}
