// Checks stored documents against pending schemas, in bounded batches. Each batch reads the latest
// state: what is written meanwhile is checked by the committer (`schema_violation.ts`), so a document
// is seen either there or here.

import { BackgroundTask } from "./background_task.ts";
import type { Catalog, CatalogSchema, SchemaDocument } from "./catalog.ts";
import type { Engine } from "./engine.ts";
import { violationOf } from "./schema_violation.ts";
import { byIdIndex } from "./system_tables.ts";
import type { Transaction } from "./transaction.ts";
import type { ComponentId, IndexKey, Snapshot } from "./types.ts";
import { byIdKey, KEY_AFTER } from "./values/key.ts";
import { acceptsAll } from "./values/validator_superset.ts";

/** Documents of one batch: about a millisecond of the host's thread. */
const BATCH_DOCUMENTS = 128;

/** How far the walk through the documents is that one schema has to accept. */
interface Walk {
  readonly schemaId: string;
  readonly component: ComponentId;
  /** Names of the tables that are still to be done, the current one last. */
  readonly tables: string[];
  /** The next document of the current table. */
  from: IndexKey;
}

/** What a batch found: a document that does not match, that all do, or neither yet. */
type Verdict = { readonly error: string; readonly tableName: string } | "valid" | "unknown";

export class SchemaValidation {
  readonly #engine: Engine;
  readonly #task: BackgroundTask;
  #walk: Walk | null = null;

  constructor(engine: Engine) {
    this.#engine = engine;
    this.#task = new BackgroundTask("schema validation", () => this.#step());
  }

  wake(): void {
    this.#task.wake();
  }

  idle(): Promise<void> {
    return this.#task.idle();
  }

  stop(): Promise<void> {
    return this.#task.stop();
  }

  /** One batch of one table of one schema. */
  async #step(): Promise<boolean> {
    const walk = this.#currentWalk();
    this.#walk = walk;
    if (walk === null) return false;
    const verdict = this.#check(walk);
    if (verdict === "unknown") {
      // Lets the commits of others go first.
      await new Promise((resolve) => setTimeout(resolve, 0));
      return true;
    }
    await this.#engine.transact((tx) => conclude(tx, walk.schemaId, verdict));
    this.#walk = null;
    return true;
  }

  /** The walk for a pending schema: the one that is under way, if its schema still waits. */
  #currentWalk(): Walk | null {
    const pending =
      this.#engine.read((tx) =>
        tx.table("schemas").all().filter((schema) => schema.state === "pending")
      ).value;
    const walk = this.#walk;
    if (walk !== null && pending.some(({ _id }) => _id === walk.schemaId)) return walk;
    const next = pending[0] as (SchemaDocument & { readonly _id: string }) | undefined;
    if (next === undefined) return null;
    const schema = this.#engine.catalog.schema(next.component, "pending");
    const tables = schema === null
      ? []
      : tablesToCheck(this.#engine.catalog, next.component, schema);
    return { schemaId: next._id, component: next.component, tables, from: "" };
  }

  #check(walk: Walk): Verdict {
    const snapshot = this.#engine.snapshot();
    try {
      return checkBatch(snapshot, walk);
    } finally {
      snapshot.close();
    }
  }
}

/** Checks the next documents, and moves the walk past them. */
function checkBatch(snapshot: Snapshot, walk: Walk): Verdict {
  const { catalog } = snapshot;
  const schema = catalog.schema(walk.component, "pending");
  // Superseded just now: the next step finds out what to do instead.
  if (schema === null || schema.id !== walk.schemaId) return "unknown";
  const name = walk.tables.at(-1);
  if (name === undefined) return "valid";
  const table = catalog.tableByName(walk.component, name);
  const interval = { start: walk.from, end: KEY_AFTER };
  const rows = table === null
    ? []
    : snapshot.scan(byIdIndex(table.tablet), interval, "asc", BATCH_DOCUMENTS);
  for (const { id, json } of rows) {
    const violation = violationOf(catalog, schema, table!, json);
    if (violation === null) continue;
    const error = `Document with ID "${id}" in table "${name}" does not match the schema: ` +
      violation;
    return { error, tableName: name };
  }
  if (rows.length === BATCH_DOCUMENTS) {
    walk.from = byIdKey(rows.at(-1)!.id) + KEY_AFTER;
  } else {
    walk.tables.pop();
    walk.from = "";
  }
  return "unknown";
}

/** Writes the verdict down, unless the schema was failed or overwritten meanwhile. */
function conclude(
  tx: Transaction,
  schemaId: string,
  verdict: Exclude<Verdict, "unknown">,
): void {
  const schemas = tx.table("schemas");
  if (schemas.get(schemaId)?.state !== "pending") return;
  schemas.patch(
    schemaId,
    verdict === "valid" ? { state: "validated" } : { state: "failed", ...verdict },
  );
}

/** The tables whose documents may not match; those that the active schema vouches for are left out. */
function tablesToCheck(
  catalog: Catalog,
  component: ComponentId,
  schema: CatalogSchema,
): string[] {
  if (!schema.definition.schemaValidation) return [];
  const active = catalog.schema(component, "active")?.definition;
  const enforced = new Map(
    active?.schemaValidation
      ? active.tables.map((table) => [table.tableName, table.documentType])
      : [],
  );
  return schema.definition.tables
    .filter(({ documentType }) => documentType !== null && documentType.type !== "any")
    .filter(({ tableName, documentType }) => {
      const inForce = enforced.get(tableName) ?? null;
      return inForce === null || !acceptsAll(documentType!, inForce);
    })
    .map(({ tableName }) => tableName);
}
