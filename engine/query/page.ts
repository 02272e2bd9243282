// The syscall `queryPage` (spec values-and-queries 5): checks its arguments and cursors in the order
// of the spec, reads the page, and gives out the next cursors.

import { inArgument, invalidArguments } from "../argument_errors.ts";
import { userError } from "../errors.ts";
import { PAGE_ROWS_MAX } from "../limits.ts";
import type { Transaction } from "../transaction.ts";
import { canonicalJson } from "../values/json.ts";
import type { Json } from "../values/value.ts";
import type { VisibleTable } from "../visible_table.ts";
import { type Cursor, type CursorCipher, queryFingerprint } from "./cursor.ts";
import { planQuery } from "./execute.ts";
import { type PageStatus, readPage } from "./pagination.ts";
import { parseQuery } from "./parse.ts";

export interface PageArgs {
  readonly query?: Json;
  readonly cursor?: Json;
  readonly endCursor?: Json;
  readonly pageSize?: Json;
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
  readonly pageStatus: PageStatus;
  /** The function's journal from now on: the end of this page. */
  readonly journal: string;
}

const METHOD = "queryPage";
const FULL_SCAN_FIELDS = ["_creationTime"];

/**
 * Reads a page.
 * @param findTable what a table name stands for
 * @param journal end cursor of the page when the function ran before on the same arguments
 * @param isSupported whether the component may paginate
 * @throws PlatformError with the texts of the spec
 */
export function openPage(
  tx: Transaction,
  findTable: (name: string) => VisibleTable | null,
  args: PageArgs,
  journal: string | null,
  isSupported: boolean,
): Page {
  const query = inArgument("query", METHOD, () => parseQuery(args.query));
  const pageSize = count(args.pageSize, "pageSize");
  const rowsReadMax = optionalCount(args.maximumRowsRead, "maximumRowsRead");
  const bytesReadMax = optionalCount(args.maximumBytesRead, "maximumBytesRead");
  const cursorText = optionalText(args.cursor, "cursor");
  const endCursorText = optionalText(args.endCursor, "endCursor");

  if (pageSize === 0) {
    throw userError(
      "NoDocumentsForPagination",
      "Must request at least 1 document while paginating",
    );
  }
  if (pageSize > PAGE_ROWS_MAX) {
    throw userError("PageSizeTooLarge", `Requested too many items: ${pageSize}`);
  }
  if (rowsReadMax === 0 || bytesReadMax === 0) {
    throw userError(
      "InvalidPaginationLimit",
      "maximumRowsRead and maximumBytesRead must be greater than 0",
    );
  }
  const cipher = tx.cursorCipher;
  const start = decodeCursor(cipher, cursorText);
  const end = decodeCursor(cipher, endCursorText ?? journal);
  if (!isSupported) {
    throw userError(
      "PaginationUnsupportedInComponents",
      "paginate() is only supported in the app. Learn more at " +
        "https://docs.convex.dev/components/authoring#pagination",
    );
  }

  const plan = planQuery(tx, query.source, findTable(query.source.table));
  const fingerprint = queryFingerprint(
    canonicalJson(args.query!),
    plan?.index.fields ?? FULL_SCAN_FIELDS,
  );
  for (const cursor of [start, end]) {
    if (cursor !== undefined && cursor.fingerprint !== fingerprint) throw foreignCursor();
  }
  const rows = readPage(tx, plan, query.operators, {
    start: start?.position,
    end: end?.position,
    pageSize,
    rowsReadMax: rowsReadMax ?? Infinity,
    bytesReadMax: bytesReadMax ?? Infinity,
  });
  const continueCursor = cipher.encode({ position: rows.end, fingerprint });
  return {
    page: rows.page,
    isDone: rows.end === null,
    continueCursor,
    splitCursor: rows.split === null ? null : cipher.encode({ position: rows.split, fingerprint }),
    pageStatus: rows.status,
    journal: continueCursor,
  };
}

function decodeCursor(cipher: CursorCipher, text: string | null): Cursor | undefined {
  if (text === null) return undefined;
  const cursor = cipher.decode(text);
  // "InvalidCursor" in the text and the data make React's hook start over.
  if (cursor === null) throw invalidCursor("Failed to parse cursor");
  return cursor;
}

function foreignCursor(): Error {
  return invalidCursor(
    "Tried to run a query starting from a cursor, but it looks like this cursor is from a " +
      "different query.",
  );
}

function invalidCursor(cause: string): Error {
  const data = { isConvexSystemError: true, paginationError: "InvalidCursor" };
  return userError("InvalidCursor", `InvalidCursor: ${cause}`, JSON.stringify(data));
}

function count(json: Json | undefined, name: string): number {
  if (typeof json !== "number" || !Number.isSafeInteger(json) || json < 0) {
    throw invalidArguments(METHOD, `${name} must be a non-negative integer`);
  }
  return json;
}

function optionalCount(json: Json | undefined, name: string): number | null {
  return json === undefined || json === null ? null : count(json, name);
}

function optionalText(json: Json | undefined, name: string): string | null {
  if (json === undefined || json === null) return null;
  if (typeof json !== "string") throw invalidArguments(METHOD, `${name} must be a string`);
  return json;
}
