// What a fuzz case is: steps that drive the database, as plain JSON, so that a failing one can be kept
// in a file and replayed whatever became of the generators. References to documents, cursors and
// transactions are numbers, taken modulo what there is when the step runs: any subset of a program is
// a program, which lets fast-check shrink it.

import type { TransactionLimits } from "../../engine/limits.ts";
import type { Json, JsonObject } from "../../engine/values/value.ts";

export interface Program {
  /** Low limits on what one transaction may do; the usual ones if not given. */
  readonly limits: Partial<TransactionLimits>;
  readonly steps: readonly Step[];
}

export type Step =
  /** A transaction of the server, on the latest state. */
  | { readonly type: "transact"; readonly ops: readonly Op[] }
  /** A transaction of a client, on the state `age` commits ago; it commits later, if ever. */
  | { readonly type: "run"; readonly age: number; readonly ops: readonly Op[] }
  | { readonly type: "commit"; readonly which: number; readonly session: number | null }
  /** A member of an isolate's chain: it sees the members before it, which are not committed yet. */
  | { readonly type: "chain"; readonly isolate: number; readonly ops: readonly Op[] }
  | { readonly type: "commitChain"; readonly isolate: number; readonly count: number }
  | { readonly type: "read"; readonly age: number; readonly ops: readonly Op[] }
  /** A live query: told by read sets when it has to run again. */
  | { readonly type: "watch"; readonly ops: readonly Op[] }
  | { readonly type: "push"; readonly schema: JsonObject | null }
  | { readonly type: "finishPush" }
  /** Lets the event loop turn, so that groups become durable and backfills go on. */
  | { readonly type: "turn" }
  | { readonly type: "restart" }
  /** Opens what the operating system has, flushed or not. */
  | { readonly type: "kill" }
  /** Opens what has reached the disk so far. */
  | { readonly type: "powerLoss"; readonly tornBytes: number }
  | { readonly type: "clock"; readonly ms: number }
  | { readonly type: "housekeeping" };

/** The reference to a document that stands for text that is no id. */
export const NO_ID = 40;

export type Op =
  | { readonly type: "insert"; readonly table: string; readonly fields: JsonObject }
  | {
    readonly type: "patch" | "replace";
    readonly target: number;
    /** The table that the function names, if it does. */
    readonly table: string | null;
    readonly fields: JsonObject;
    /** Whether the system fields are given, too. */
    readonly withSystemFields: boolean;
  }
  | { readonly type: "remove"; readonly target: number; readonly table: string | null }
  | { readonly type: "get"; readonly target: number; readonly table: string | null }
  | { readonly type: "normalizeId"; readonly target: number; readonly table: string }
  | { readonly type: "count"; readonly table: string }
  | { readonly type: "query"; readonly query: QueryJson }
  | {
    readonly type: "page";
    readonly query: QueryJson;
    readonly pageSize: number;
    readonly rowsMax: number | null;
    readonly bytesMax: number | null;
    /** Cursors that were given out, of any query if `mixed`. */
    readonly cursor: number | null;
    readonly endCursor: number | null;
    readonly journal: number | null;
    readonly mixed: boolean;
  }
  /** A nested mutation, which may throw at its end. */
  | { readonly type: "nested"; readonly ops: readonly Op[]; readonly fails: boolean }
  /** A query that sees the beginning of the transaction. */
  | { readonly type: "atBegin"; readonly ops: readonly Op[] };

export interface QueryJson extends JsonObject {
  source: JsonObject;
  operators: Json[];
}
