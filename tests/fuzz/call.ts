// One call of the database's interface, its arguments fixed, and what came of it.

import type { Json, JsonObject } from "../../engine/values/value.ts";
import type { QueryJson } from "./program.ts";

export interface PageCall {
  readonly type: "page";
  readonly args: {
    readonly query: QueryJson;
    readonly cursor: string | null;
    readonly endCursor: string | null;
    readonly pageSize: number;
    readonly maximumRowsRead: number | null;
    readonly maximumBytesRead: number | null;
  };
  readonly journal: string | null;
}

export type Call =
  | { readonly type: "insert"; readonly table: string; readonly fields: JsonObject }
  | {
    readonly type: "patch" | "replace";
    readonly id: string;
    readonly table: string | null;
    readonly value: JsonObject;
  }
  | { readonly type: "remove" | "get"; readonly id: string; readonly table: string | null }
  | { readonly type: "normalizeId"; readonly id: string; readonly table: string }
  | { readonly type: "count"; readonly table: string }
  | { readonly type: "query"; readonly query: QueryJson }
  | PageCall
  | { readonly type: "nested"; readonly calls: readonly Traced[]; readonly fails: boolean }
  | { readonly type: "atBegin"; readonly calls: readonly Traced[] };

/** The code of the error, or the value. */
export type Outcome = { readonly error: string } | { readonly value: Json };

/** What the engine chose for an inserted document. */
export interface Created {
  readonly id: string;
  readonly creationTime: number;
}

/** A call that was made, with its outcome. */
export interface Traced {
  readonly call: Call;
  readonly outcome: Outcome;
  readonly created: Created | null;
}
