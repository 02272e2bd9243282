// The value arguments of writes, on their way to a document. Placeholders of the commit's timestamp
// stay in the text and count as int64s everywhere else (spec values-and-queries 6.4).

import { COMMIT_TS_TOKEN, holdsCommitTsToken, withoutCommitTsTokens } from "./commit_ts_token.ts";
import { PlatformError, userError } from "./errors.ts";
import { checkFieldName } from "./values/field.ts";
import {
  canonicalJson,
  decodeValue,
  isUndefinedMarker,
  parseDocument,
  stringifyValue,
} from "./values/json.ts";
import {
  isJsonObject,
  isValueObject,
  type Json,
  type JsonObject,
  setField,
  type ValueObject,
} from "./values/value.ts";

export interface Draft {
  readonly fields: ValueObject;
  /** The same as JSON, when it holds placeholders. */
  readonly source: JsonObject | null;
}

export interface Patch {
  readonly set: Draft;
  /** Fields to remove. */
  readonly removed: readonly string[];
}

/** @throws PlatformError when the value is none, or no object */
export function parseDraft(json: Json | undefined): Draft {
  if (!isJsonObject(json)) throw notAnObject();
  try {
    return { fields: decodeObject(json), source: null };
  } catch (error) {
    // Placeholders are rare: they are looked for only in what is no value as it stands.
    if (!(error instanceof PlatformError) || !holdsCommitTsToken(json)) throw error;
    return { fields: decodeObject(withoutCommitTsTokens(json)), source: json };
  }
}

/**
 * Separates the fields that a patch removes, `{"$undefined":null}`, from those that it sets.
 * @throws PlatformError like {@link parseDraft}
 */
export function parsePatch(json: Json | undefined): Patch {
  if (!isJsonObject(json)) throw notAnObject();
  const set: JsonObject = {};
  const removed: string[] = [];
  for (const field of Object.keys(json)) {
    const value = json[field]!;
    if (isUndefinedMarker(value)) {
      checkFieldName(field);
      removed.push(field);
    } else {
      setField(set, field, value);
    }
  }
  return { set: parseDraft(set), removed };
}

/** The document with that text, patched. */
export function applyPatch(before: string, { set, removed }: Patch): Draft {
  const fields = merge(parseDocument(before), set.fields, removed);
  if (set.source === null && !before.includes(COMMIT_TS_TOKEN)) return { fields, source: null };
  const changes = set.source ?? JSON.parse(stringifyValue(set.fields)) as JsonObject;
  return { fields, source: merge(JSON.parse(before) as JsonObject, changes, removed) };
}

function merge<T>(
  object: { [field: string]: T },
  changes: { readonly [field: string]: T },
  removed: readonly string[],
): { [field: string]: T } {
  for (const field of removed) delete object[field];
  for (const field of Object.keys(changes)) setField(object, field, changes[field]!);
  return object;
}

/** Canonical text of a draft whose fields include the system fields. */
export function draftText({ fields, source }: Draft): string {
  if (source === null) return stringifyValue(fields);
  const { _id, _creationTime } = fields;
  return canonicalJson({ ...source, _id: _id as string, _creationTime: _creationTime as number });
}

function decodeObject(json: Json): ValueObject {
  const value = decodeValue(json);
  if (!isValueObject(value)) throw notAnObject();
  return value;
}

function notAnObject(): Error {
  return userError("InvalidArgument", "Value must be an Object");
}
