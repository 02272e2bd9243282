// The database as user functions see it: ids, table names, system fields, schema and the texts of
// errors (spec values-and-queries 4 to 7). One instance serves one execution of a function.

import type { Json } from "./values/value.ts";

export interface GetArgs {
  readonly id: Json;
  readonly isSystem?: Json;
  readonly table?: Json;
  readonly version?: Json;
}

export interface PageArgs {
  readonly query: Json;
  readonly cursor?: Json;
  readonly endCursor?: Json;
  readonly pageSize: Json;
  readonly maximumRowsRead?: Json;
  readonly maximumBytesRead?: Json;
  readonly version?: Json;
}

export interface Page {
  /** JSON texts of the documents. */
  readonly page: readonly string[];
  readonly isDone: boolean;
  readonly continueCursor: string;
  readonly splitCursor: string | null;
  readonly pageStatus: "SplitRecommended" | "SplitRequired" | null;
  /** The function's journal from now on. */
  readonly journal: string;
}

export interface RowStream {
  /** The next document's JSON text, or null at the end. */
  next(): string | null;
  close(): void;
}

export declare class Database {
  /** JSON text of the document, or null. */
  get(args: GetArgs): string | null;
  /** The new document's id. */
  insert(table: Json | undefined, value: Json | undefined): string;
  /** These return the new (remove: the old) document's JSON text. */
  patch(id: Json | undefined, value: Json | undefined, table?: Json): string;
  replace(id: Json | undefined, value: Json | undefined, table?: Json): string;
  remove(id: Json | undefined, table?: Json): string;
  normalizeId(table: Json | undefined, idString: Json | undefined): string | null;
  count(table: Json | undefined): number;
  startQuery(query: Json | undefined, version?: Json): RowStream;
  page(args: PageArgs, journal: string | null): Page;
}
