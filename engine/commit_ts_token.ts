// The placeholder of a commit's own timestamp in written documents (spec values-and-queries 6.4):
// `{"$commitTs":null}`. It stays in the text until the commit; everything that looks at values sees
// the greatest int64 in its place.

import { encodeTimestamp, type Timestamp } from "./timestamp.ts";
import { encodeValue, UNRESOLVED_COMMIT_TS, VALUE_NESTING_MAX } from "./values/json.ts";
import { isJsonObject, type Json, type JsonObject, setField } from "./values/value.ts";

/** The placeholder in canonical text. Strings cannot contain it: their quotes are escaped. */
export const COMMIT_TS_TOKEN = '{"$commitTs":null}';

export function isCommitTsToken(json: Json | undefined): boolean {
  return isJsonObject(json) && json.$commitTs === null && Object.keys(json).length === 1;
}

/** Whether there is a placeholder anywhere in the value, as deep as values may be. */
export function holdsCommitTsToken(json: Json, depth = 0): boolean {
  if (typeof json !== "object" || json === null || depth > VALUE_NESTING_MAX) return false;
  if (isCommitTsToken(json)) return true;
  const children = Array.isArray(json) ? json : Object.values(json);
  return children.some((child) => holdsCommitTsToken(child, depth + 1));
}

/** The text of a value with the timestamp in place of the placeholders. */
export function resolveCommitTs(text: string, ts: Timestamp): string {
  if (!text.includes(COMMIT_TS_TOKEN)) return text;
  return text.replaceAll(COMMIT_TS_TOKEN, `{"$integer":"${encodeTimestamp(ts)}"}`);
}

/** The value with int64s in place of the placeholders. */
export function withoutCommitTsTokens(json: Json): Json {
  if (typeof json !== "object" || json === null) return json;
  if (isCommitTsToken(json)) return encodeValue(UNRESOLVED_COMMIT_TS);
  if (Array.isArray(json)) return json.map(withoutCommitTsTokens);
  const object: JsonObject = {};
  for (const field of Object.keys(json)) {
    setField(object, field, withoutCommitTsTokens(json[field]!));
  }
  return object;
}
