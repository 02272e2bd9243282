// Checks each stored document by itself: its table, its id, its text.

import { arrayStatement } from "./array_statement.ts";
import type { Catalog } from "./catalog.ts";
import type { Examined } from "./check.ts";
import { tableNumberOf } from "./values/id.ts";
import { parseDocument, stringifyValue } from "./values/json.ts";
import { sizeOf } from "./values/size.ts";
import type { ValueObject } from "./values/value.ts";

type DocumentRow = [tablet: number, id: string, ts: number, json: string, size: number | null];

/** Yields a sentence for each document that is not as the engine would have written it. */
export function* checkDocuments(examined: Examined): Generator<string> {
  const { db, catalog } = examined;
  const rows = arrayStatement(db, "SELECT tablet, id, ts, json, size FROM documents").iterate();
  for (const row of rows) {
    const document = row as unknown as DocumentRow;
    const [tablet, id, ts] = document;
    const problem = problemOfId(catalog, document) ?? problemOfText(document);
    if (problem !== null) yield `The document ${id} of tablet ${tablet} ${problem}.`;
    if (ts > examined.lastCommit) {
      yield `The document ${id} of tablet ${tablet} is of ${ts}, after the last commit.`;
    }
  }
}

function problemOfId(catalog: Catalog, [tablet, id]: DocumentRow): string | null {
  const table = catalog.tableByTablet(tablet);
  if (table === null) return "belongs to no table";
  const number = tableNumberOf(id);
  if (number === null) return "has an id that cannot be decoded";
  if (number === table.number) return null;
  return `has an id of table number ${number}, and its table has the number ${table.number}`;
}

function problemOfText([, id, , json, size]: DocumentRow): string | null {
  let document: ValueObject;
  try {
    document = parseDocument(json);
    if (stringifyValue(document) !== json) return "is not written in the canonical form";
  } catch (error) {
    return `cannot be read: ${(error as Error).message}`;
  }
  if (document._id !== id) return "holds another id";
  const bytes = sizeOf(document);
  if (size !== null && size !== bytes) return `has ${bytes} bytes, and ${size} are stored`;
  return typeof document._creationTime === "number" ? null : "has no creation time";
}
