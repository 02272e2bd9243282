// The database as user functions see it: ids, table names, system fields, schema and the texts of
// errors (spec values-and-queries 2, 4 to 7). One instance serves one execution of a function.

import { inArgument, invalidArgument, invalidArguments } from "./argument_errors.ts";
import { unmountedComponentError } from "./components.ts";
import { applyPatch, type Draft, draftText, parseDraft, parsePatch } from "./document_draft.ts";
import { checkDocumentSize, completeDocument } from "./document_rules.ts";
import { documentSize } from "./document_size.ts";
import { userError } from "./errors.ts";
import { chargeRead, chargeWrite } from "./limits.ts";
import { openPage, type Page, type PageArgs } from "./query/page.ts";
import { planQuery, QueryStream } from "./query/execute.ts";
import { IndexScan } from "./query/index_scan.ts";
import { parseQuery } from "./query/parse.ts";
import { byIdIndex } from "./system_tables.ts";
import { type Transaction, WHOLE_INDEX } from "./transaction.ts";
import type { ComponentId } from "./types.ts";
import { checkIdentifier } from "./values/field.ts";
import { decodeId, encodeId, tableNumberOf } from "./values/id.ts";
import { parseDocument } from "./values/json.ts";
import { decodeLegacyId } from "./values/legacy_id.ts";
import { checkDocument } from "./values/schema.ts";
import type { IdContext } from "./values/validator.ts";
import type { Json, ValueObject } from "./values/value.ts";
import {
  type ClientVersion,
  isBefore,
  parseClientVersion,
  SYSTEM_TABLES_SINCE,
} from "./virtual_tables.ts";
import { type VisibleTable, visibleTableByName, visibleTableByNumber } from "./visible_table.ts";

export type { Page, PageArgs };

export interface GetArgs {
  readonly id?: Json;
  readonly isSystem?: Json;
  readonly table?: Json;
  readonly version?: Json;
}

/** The documents of a running query, as JSON texts. */
export interface RowStream {
  /** The next document, or null at the end. */
  next(): string | null;
  close(): void;
}

export interface DatabaseOptions {
  /** For the server's own functions: they may paginate in every component. */
  readonly isServer?: boolean;
}

interface WriteTarget {
  readonly table: VisibleTable;
  readonly id: string;
}

type WriteMethod = "db.insert" | "db.patch" | "db.replace" | "db.delete";

const MISSING_DOCUMENT_VERBS = {
  "db.patch": "Update",
  "db.replace": "Replace",
  "db.delete": "Delete",
} as const;

export class Database implements IdContext {
  #hasPaginated = false;
  /** Whether the component is known to accept writes; the app always does. */
  #isMounted: boolean;

  constructor(
    readonly tx: Transaction,
    readonly component: ComponentId,
    readonly options: DatabaseOptions = {},
  ) {
    this.#isMounted = component === "";
  }

  /** JSON text of the document, or null. */
  get(args: GetArgs): string | null {
    const { isSystem = false } = args;
    const method = isSystem === true ? "db.system.get" : "db.get";
    const id = textArgument(args.id, "id", method);
    const version = clientVersion(args.version);
    const table = visibleTableByNumber(this.tx, this.component, tableNumber(id, method), version);
    if (table === null) return null;
    if (isSystem !== true) {
      if (table.view !== null) throw systemTableError();
    } else {
      if (table.view === null) {
        throw userError("SystemTableError", "User tables cannot be accessed with db.system.");
      }
      requireSystemTables(version);
    }
    checkTableArgument(args.table, table, method);
    const revision = this.tx.readDocument(table.info, id);
    if (revision === null) return null;
    if (table.view !== null) return table.view(revision.json);
    chargeRead(this.tx.usage, this.tx.limits, revision.size ?? documentSize(revision.json));
    return revision.json;
  }

  /** Creates the table if there is none of that name. Returns the new document's id. */
  insert(tableName: Json | undefined, value: Json | undefined): string {
    const method = "db.insert";
    const draft = inArgument("value", method, () => parseDraft(value));
    const name = identifierArgument(tableName, "table", method);
    if (name.startsWith("_")) throw systemTableError();
    this.#checkMounted();
    const table = this.tx.createTable(this.component, name);
    const { id, creationTime } = this.tx.newDocument(table);
    this.#store({ name, info: table }, id, creationTime, draft, null);
    return id;
  }

  /** Merges the fields into the document; `{"$undefined":null}` removes one. Returns the new document. */
  patch(id: Json | undefined, value: Json | undefined, tableName?: Json): string {
    const method = "db.patch";
    const target = this.#target(id, tableName, method);
    const patch = inArgument("value", method, () => parsePatch(value));
    const json = this.#existing(target, method);
    const draft = applyPatch(json, patch);
    return this.#store(target.table, target.id, creationTimeOf(json), draft, json);
  }

  /** Returns the new document. */
  replace(id: Json | undefined, value: Json | undefined, tableName?: Json): string {
    const method = "db.replace";
    const target = this.#target(id, tableName, method);
    const draft = inArgument("value", method, () => parseDraft(value));
    const json = this.#existing(target, method);
    return this.#store(target.table, target.id, creationTimeOf(json), draft, json);
  }

  /** Returns the old document. */
  remove(id: Json | undefined, tableName?: Json): string {
    const method = "db.delete";
    const target = this.#target(id, tableName, method);
    const json = this.#existing(target, method);
    chargeWrite(this.tx.usage, this.tx.limits, 0);
    this.tx.write(target.table.info.tablet, target.id, null);
    return json;
  }

  /**
   * The id if it is one of the table, whether the document exists or not; else null. An id in one of
   * the platform's old forms is taken for one of the table, and given in today's form.
   */
  normalizeId(tableName: Json | undefined, idString: Json | undefined): string | null {
    const method = "db.normalizeId";
    const name = identifierArgument(tableName, "table", method);
    const id = textArgument(idString, "idString", method);
    const table = visibleTableByName(this.tx, this.component, name, null);
    if (table === null) return null;
    const { number } = table.info;
    if (tableNumberOf(id) === number) return id;
    const internal = decodeLegacyId(id);
    return internal === null ? null : encodeId(number, internal);
  }

  /** Number of documents of the table; depends on the whole table. */
  count(tableName: Json | undefined): number {
    const name = identifierArgument(tableName, "table", "db.count");
    const table = visibleTableByName(this.tx, this.component, name, null);
    if (table === null) return 0;
    const index = this.tx.catalog.index(byIdIndex(table.info.tablet));
    const scan = new IndexScan(this.tx, table.info, index, WHOLE_INDEX, "asc");
    let count = 0;
    while (scan.next(Infinity) !== null) count++;
    return count;
  }

  /** Starts a query (syscall `queryStream`). */
  startQuery(query: Json | undefined, version?: Json): RowStream {
    const { source, operators } = inArgument("query", "queryStream", () => parseQuery(query));
    const plan = planQuery(this.tx, source, this.#queriedTable(source.table, version));
    const stream = plan === null ? null : new QueryStream(this.tx, plan, operators);
    let isOpen = true;
    return {
      next: () => isOpen && stream !== null ? stream.next() : null,
      close: () => {
        isOpen = false;
      },
    };
  }

  /**
   * One page of a query (syscall `queryPage`).
   * @param journal end cursor of the page when the function ran before on the same arguments
   */
  page(args: PageArgs, journal: string | null): Page {
    const isSupported = this.component === "" || this.options.isServer === true;
    const page = openPage(
      this.tx,
      (name) => this.#queriedTable(name, args.version),
      args,
      journal,
      isSupported,
    );
    if (this.#hasPaginated) {
      throw userError(
        "MultiplePaginatedDatabaseQueries",
        "This query or mutation function ran multiple paginated queries. Convex only supports a " +
          "single paginated query in each function.",
      );
    }
    this.#hasPaginated = true;
    return page;
  }

  /** For validators: the table that ids with that number belong to. */
  tableOfNumber(number: number): { name: string; system: boolean } | null {
    const table = this.tx.tableByNumber(this.component, number);
    return table === null ? null : { name: table.name, system: table.isSystem };
  }

  #queriedTable(name: string, versionArgument: Json | undefined): VisibleTable | null {
    const version = clientVersion(versionArgument);
    const table = visibleTableByName(this.tx, this.component, name, version);
    if (table !== null && table.view !== null) requireSystemTables(version);
    return table;
  }

  /** The user table and the id that a write is about; the document may not exist. */
  #target(
    idArgument: Json | undefined,
    tableName: Json | undefined,
    method: WriteMethod,
  ): WriteTarget {
    const id = textArgument(idArgument, "id", method);
    const number = tableNumber(id, method);
    const table = visibleTableByNumber(this.tx, this.component, number, null);
    if (table === null) {
      throw invalidArgument("id", method, `Table for ID "${id}" not found`);
    }
    checkTableArgument(tableName, table, method);
    return { table, id };
  }

  /** The text of the document that a write is about. */
  #existing({ table, id }: WriteTarget, method: keyof typeof MISSING_DOCUMENT_VERBS): string {
    if (table.view !== null) throw systemTableError();
    this.#checkMounted();
    const revision = this.tx.readDocument(table.info, id);
    if (revision === null) {
      throw userError(
        "NonexistentDocument",
        `${MISSING_DOCUMENT_VERBS[method]} on nonexistent document ID ${id}`,
      );
    }
    return revision.json;
  }

  /** @throws PlatformError UnmountedComponent (spec components 5) */
  #checkMounted(): void {
    if (this.#isMounted) return;
    if (this.tx.table("components").get(this.component)?.state === "unmounted") {
      throw unmountedComponentError();
    }
    this.#isMounted = true;
  }

  /**
   * Writes the document, unless it is the same as before. Returns its text.
   * @param before its text so far; null for a new document
   */
  #store(
    { info, name }: Pick<VisibleTable, "info" | "name">,
    id: string,
    creationTime: number,
    draft: Draft,
    before: string | null,
  ): string {
    const { fields } = draft;
    const nesting = completeDocument(fields, id, creationTime, this.tx.limits);
    const json = draftText(draft);
    if (json === before) return json;
    this.#checkSchema(name, fields);
    const bytes = checkDocumentSize(fields, this.tx.limits);
    chargeWrite(this.tx.usage, this.tx.limits, bytes);
    this.tx.write(info.tablet, id, json, before === null);
    this.tx.noteWrite(id, bytes, nesting);
    return json;
  }

  #checkSchema(tableName: string, document: ValueObject): void {
    this.tx.dependOnSchema(this.component);
    const schema = this.tx.catalog.schema(this.component, "active");
    if (schema === null || !schema.definition.schemaValidation) return;
    const table = schema.definition.tables.find((table) => table.tableName === tableName);
    if (table === undefined) return;
    const mismatch = checkDocument(table, document, this);
    if (mismatch !== null) {
      throw userError(
        "SchemaEnforcementError",
        `Failed to insert or update a document in table "${tableName}" because it does not match ` +
          `the schema: ${mismatch}`,
      );
    }
  }
}

function systemTableError(): Error {
  return userError("SystemTableError", "System tables can only be accessed with db.system.");
}

function textArgument(json: Json | undefined, argument: string, method: string): string {
  if (typeof json === "string") return json;
  throw invalidArguments(method, `\`${argument}\` must be a string`);
}

function identifierArgument(json: Json | undefined, argument: string, method: string): string {
  const text = textArgument(json, argument, method);
  inArgument(argument, method, () => checkIdentifier(text));
  return text;
}

const CREATION_TIME_FIRST = '{"_creationTime":';

/** The creation time in a document's text, where few documents need parsing to find it. */
function creationTimeOf(json: string): number {
  // Only a field with an upper-case first letter or an odd name comes before it.
  if (!json.startsWith(CREATION_TIME_FIRST)) return parseDocument(json)._creationTime as number;
  return Number(json.slice(CREATION_TIME_FIRST.length, json.indexOf(",")));
}

function tableNumber(id: string, method: string): number {
  return tableNumberOf(id) ?? inArgument("id", method, () => decodeId(id)).tableNumber;
}

function checkTableArgument(
  json: Json | undefined,
  table: VisibleTable,
  method: string,
): void {
  if (json === undefined || json === null) return;
  const requested = textArgument(json, "table", method);
  if (requested !== table.name) {
    throw invalidArgument(
      "id",
      method,
      `expected to be an Id<"${requested}">, got Id<"${table.name}"> instead.`,
    );
  }
}

function clientVersion(json: Json | undefined): ClientVersion | null {
  if (json === undefined || json === null) return null;
  const version = typeof json === "string" ? parseClientVersion(json) : null;
  if (version === null) {
    const shown = typeof json === "string" ? json : JSON.stringify(json);
    throw userError("InvalidClientVersion", `Invalid client version ${shown}`);
  }
  return version;
}

function requireSystemTables(version: ClientVersion | null): void {
  if (version === null || isBefore(version, SYSTEM_TABLES_SINCE)) {
    throw userError(
      "InvalidClientVersion",
      "Upgrade to NPM version 1.6.1 or above to access system tables",
    );
  }
}
