// A transaction of the naive model: executes calls on a copy of the state, and notes what it looked at.

import { tableNumberOf } from "../../../engine/values/id.ts";
import type { TransactionLimits } from "../../../engine/limits.ts";
import type { Json, JsonObject } from "../../../engine/values/value.ts";
import type { QueryJson } from "../program.ts";
import type { Call, Created, Outcome, PageCall, Traced } from "../call.ts";
import type { CursorBook, Position } from "./cursor_book.ts";
import {
  fingerprintOf,
  type Footprint,
  isInFootprint,
  type Key,
  keyOf,
  Operators,
  type Plan,
  planOf,
  rowsOf,
} from "./query.ts";
import {
  accepts,
  canonical,
  type Difference,
  FIRST_TABLE_NUMBER,
  type ModelDocument,
  modelDocument,
  type ModelState,
  tableOfId,
  withTokens,
} from "./state.ts";
import { type Compare, ModelError } from "./values.ts";

const SCAN_BATCH_ROWS_DEFAULT = 100;
const SCAN_BATCH_ROWS_MAX = 1024;
const PAGE_ROWS_MAX = 32_000;

/** Has the size of what would have been created. */
const NOTHING_CREATED: Created = { id: "0".repeat(32), creationTime: 0 };

export interface ModelOptions {
  readonly limits: TransactionLimits;
  readonly compare: Compare;
  readonly cursors: CursorBook;
}

interface Usage {
  documentsRead: number;
  bytesRead: number;
  documentsWritten: number;
  bytesWritten: number;
}

type MutableState = ModelState & {
  tables: Map<string, number>;
  documents: Map<string, ModelDocument>;
};

export class ModelTransaction {
  state: MutableState;
  readonly usage: Usage;
  /** Ids of documents that were looked up. */
  readonly idsRead = new Set<string>();
  readonly footprints: Footprint[] = [];

  /** @param begin what queries at the beginning see */
  constructor(
    state: ModelState,
    readonly begin: ModelState,
    readonly options: ModelOptions,
    usage: Usage = { documentsRead: 0, bytesRead: 0, documentsWritten: 0, bytesWritten: 0 },
  ) {
    this.state = copied(state);
    this.usage = usage;
  }

  /** @param created what the engine made for an insert */
  execute(call: Call, created: Created | null): Outcome {
    try {
      return { value: this.#execute(call, created) };
    } catch (error) {
      if (error instanceof ModelError) return { error: error.code };
      throw error;
    }
  }

  /** Whether a change of a document from one state to the other touches what was read. */
  isTouchedBy(before: ModelState, { documents }: Difference): boolean {
    for (const [id, after] of documents) {
      if (this.idsRead.has(id)) return true;
      for (const document of [before.documents.get(id), after]) {
        if (document === undefined || document === null) continue;
        const { compare } = this.options;
        if (this.footprints.some((f) => isInFootprint(f, document, compare))) return true;
      }
    }
    return false;
  }

  #execute(call: Call, created: Created | null): Json {
    switch (call.type) {
      case "insert":
        return this.#insert(call.table, call.fields, created);
      case "patch":
      case "replace":
        return this.#update(call);
      case "remove": {
        const document = this.#target(call.id, call.table);
        this.#chargeWrite(0);
        this.state.documents.delete(call.id);
        return document.text;
      }
      case "get": {
        const table = tableOfId(this.state, call.id);
        if (tableNumberOf(call.id) === null) throw new ModelError("InvalidArgument");
        if (table === null) return null;
        if (call.table !== null && call.table !== table) throw new ModelError("InvalidArgument");
        const document = this.#lookUp(call.id);
        if (document === undefined) return null;
        this.#chargeRead(document);
        return document.text;
      }
      case "normalizeId":
        return tableOfId(this.state, call.id) === call.table ? call.id : null;
      case "count":
        return this.#count(call.table);
      case "query":
        return this.#query(call.query);
      case "page":
        return this.#page(call);
      case "nested":
        return this.#nested(call.calls, call.fails);
      case "atBegin": {
        const inner = new ModelTransaction(this.begin, this.begin, this.options, this.usage);
        return inner.#all(call.calls);
      }
    }
  }

  #all(calls: readonly Traced[]): Json {
    return calls.map(({ call, created }) => this.execute(call, created) as JsonObject);
  }

  #nested(calls: readonly Traced[], fails: boolean): Json {
    const before = copied(this.state);
    const { documentsWritten, bytesWritten } = this.usage;
    const outcomes = this.#all(calls);
    if (fails) {
      this.state = before;
      Object.assign(this.usage, { documentsWritten, bytesWritten });
    }
    return outcomes;
  }

  // Writes.

  #insert(table: string, fields: JsonObject, created: Created | null): Json {
    if (!this.state.tables.has(table)) {
      this.state.tables.set(table, FIRST_TABLE_NUMBER + this.state.tables.size);
    }
    checkNames(fields);
    // An insert that fails has made nothing; its document has a place in the checks all the same.
    const { id, creationTime } = created ?? NOTHING_CREATED;
    const json = { ...fields, _id: id, _creationTime: creationTime };
    this.#store(modelDocument(id, table, json));
    return null;
  }

  #update({ type, id, table, value }: Call & { readonly type: "patch" | "replace" }): Json {
    const before = this.#target(id, table);
    const { _id, _creationTime } = before.json;
    const fields = type === "patch" ? { ...before.json, ...value } : { ...value };
    for (const [field, item] of Object.entries(fields)) {
      if (canonical(item) === '{"$undefined":null}') delete fields[field];
    }
    checkNames(fields);
    const json = { ...fields, _id: _id!, _creationTime: _creationTime! };
    const document = modelDocument(id, before.table, json);
    if (document.text !== before.text) this.#store(document);
    return document.text;
  }

  #store(document: ModelDocument): void {
    if (!accepts(this.state, this.state.schema, document.table, document.value)) {
      throw new ModelError("SchemaEnforcementError");
    }
    this.#chargeWrite(document.size);
    this.state.documents.set(document.id, document);
  }

  #target(id: string, table: string | null): ModelDocument {
    if (tableNumberOf(id) === null) throw new ModelError("InvalidArgument");
    const actual = tableOfId(this.state, id);
    if (actual === null || (table !== null && table !== actual)) {
      throw new ModelError("InvalidArgument");
    }
    const document = this.#lookUp(id);
    if (document === undefined) throw new ModelError("NonexistentDocument");
    return document;
  }

  #lookUp(id: string): ModelDocument | undefined {
    this.idsRead.add(id);
    return this.state.documents.get(id);
  }

  // Reads.

  #count(table: string): number {
    if (!this.state.tables.has(table)) return 0;
    const source = { type: "IndexRange", indexName: `${table}.by_id`, order: "asc", range: [] };
    const plan = planOf(this.state, { source, operators: [] })!;
    this.footprints.push({ plan, after: null, upTo: null, last: null });
    return rowsOf(this.state, plan, null, null, this.options.compare).length;
  }

  #query(query: QueryJson): Json {
    const plan = planOf(this.state, query);
    if (plan === null) return [];
    const operators = new Operators(query.operators, this.options.compare);
    const rows = rowsOf(this.state, plan, null, null, this.options.compare);
    const texts: string[] = [];
    const read = this.#beginRead(plan, null, null);
    for (const row of rows) {
      if (operators.isFull) return texts;
      read.take(row);
      this.#chargeRead(row);
      if (operators.pass(row)) texts.push(row.text);
    }
    if (!operators.isFull) read.finish();
    return texts;
  }

  #beginRead(plan: Plan, after: Key | null, upTo: Key | null) {
    let isOpen = false;
    const set = (last: Key | null) => {
      if (isOpen) this.footprints.pop();
      this.footprints.push({ plan, after, upTo, last });
      isOpen = true;
    };
    return { take: (row: ModelDocument) => set(keyOf(plan, row)), finish: () => set(null) };
  }

  #page({ args, journal }: PageCall): Json {
    const { cursors, compare } = this.options;
    const start = args.cursor === null ? null : cursors.find(args.cursor);
    const endText = args.endCursor ?? journal;
    const end = endText === null ? null : cursors.find(endText);
    const plan = planOf(this.state, args.query);
    const fingerprint = fingerprintOf(this.state, args.query);
    for (const cursor of [start, end]) {
      if (cursor !== null && cursor.fingerprint !== fingerprint) {
        throw new ModelError("InvalidCursor");
      }
    }
    const page = (
      page: string[],
      upTo: Position,
      split: Position | null,
      status: string | null,
    ) => ({
      page,
      isDone: upTo === "end",
      continueCursor: cursors.describe(fingerprint, upTo),
      splitCursor: split === null ? null : cursors.describe(fingerprint, split),
      pageStatus: status,
    });
    if (plan === null || start?.position === "end") {
      return page([], end?.position ?? "end", null, null);
    }
    const after = start === null ? null : start.position as Key;
    const upTo = end === null || end.position === "end" ? null : end.position;
    const rows = rowsOf(this.state, plan, after, upTo, compare);
    const operators = new Operators(args.query.operators, compare);
    const read = this.#beginRead(plan, after, upTo);
    const hasFilter = args.query.operators.length > 0;
    const texts: string[] = [];
    const rowsMax = end === null ? args.maximumRowsRead ?? Infinity : Infinity;
    const bytesMax = end === null ? args.maximumBytesRead ?? Infinity : Infinity;
    let taken = 0;
    let fetched = 0;
    let isExhausted = false;
    let bytes = 0;
    let isCut = false;
    while (end !== null || texts.length < args.pageSize) {
      const needsFetch = taken === fetched;
      if (taken > 0 && (bytes >= bytesMax || (needsFetch && fetched >= rowsMax))) {
        isCut = true;
        break;
      }
      if (needsFetch && !isExhausted) {
        const wanted = hasFilter ? SCAN_BATCH_ROWS_DEFAULT : args.pageSize - texts.length;
        const batch = end !== null
          ? SCAN_BATCH_ROWS_MAX
          : Math.min(wanted, rowsMax - fetched, SCAN_BATCH_ROWS_MAX);
        isExhausted = rows.length - fetched < batch;
        fetched = Math.min(rows.length, fetched + batch);
      }
      const row = rows[taken];
      if (row === undefined) {
        read.finish();
        break;
      }
      read.take(row);
      try {
        this.#chargeRead(row);
      } catch (error) {
        if (taken === 0) throw error;
        isCut = true;
        break;
      }
      taken++;
      bytes += row.size;
      if (operators.pass(row)) texts.push(row.text);
    }
    const isDone = end === null && !isCut && texts.length < args.pageSize;
    const last = taken === 0 ? "end" : keyOf(plan, rows[taken - 1]!);
    const { limits } = this.options;
    const isLarge = taken > Math.floor(0.75 * Math.min(rowsMax, PAGE_ROWS_MAX)) ||
      bytes > Math.floor(0.75 * Math.min(bytesMax, limits.bytesRead));
    return page(
      texts,
      end !== null ? end.position : isDone ? "end" : last,
      taken >= 3 ? keyOf(plan, rows[Math.floor(taken / 2)]!) : null,
      isCut ? "SplitRequired" : isLarge ? "SplitRecommended" : null,
    );
  }

  // Limits.

  #chargeRead({ size }: ModelDocument): void {
    const { usage, options: { limits } } = this;
    if (usage.documentsRead + 1 > limits.documentsRead) {
      throw new ModelError("TooManyDocumentsRead");
    }
    if (usage.bytesRead + size > limits.bytesRead) throw new ModelError("TooManyBytesRead");
    usage.documentsRead++;
    usage.bytesRead += size;
  }

  #chargeWrite(bytes: number): void {
    const { usage, options: { limits } } = this;
    if (usage.documentsWritten + 1 > limits.documentsWritten) throw new ModelError("TooManyWrites");
    if (usage.bytesWritten + bytes > limits.bytesWritten) {
      throw new ModelError("TooManyBytesWritten");
    }
    usage.documentsWritten++;
    usage.bytesWritten += bytes;
  }
}

function copied(state: ModelState): MutableState {
  return { ...state, tables: new Map(state.tables), documents: new Map(state.documents) };
}

function checkNames(fields: JsonObject): void {
  const names = Object.keys(fields).filter((name) => name.startsWith("_"));
  if (names.some((name) => name !== "_id" && name !== "_creationTime")) {
    throw new ModelError("InvalidDocumentError");
  }
}

/** The difference as it is once its placeholders have become the commit's timestamp. */
export function resolved({ tables, documents }: Difference, timestamp: Json): Difference {
  return {
    tables,
    documents: new Map(
      [...documents].map(([id, document]) => [
        id,
        document === null
          ? null
          : modelDocument(id, document.table, withTokens(document.json, timestamp) as JsonObject),
      ]),
    ),
  };
}
