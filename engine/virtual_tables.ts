// The tables of `db.system` (spec values-and-queries 7.1): what user functions see of a component's
// files and scheduled functions, which are stored in private system tables.

import { VIRTUAL_TABLES } from "./system_tables.ts";
import type { TableInfo } from "./catalog.ts";
import { canonicalJson } from "./values/json.ts";
import type { Json, JsonObject } from "./values/value.ts";

/** Turns the stored document into the one that functions see; both are canonical JSON text. */
export type VirtualView = (json: string, clientVersion: ClientVersion | null) => string;

/** Version of the npm package that a function was bundled with. */
export interface ClientVersion {
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
}

/** A document of `_file_storage`. */
export interface FileDocument {
  /** UUID, the file's name in URLs. */
  readonly storageId: string;
  /** Base64. */
  readonly sha256: string;
  readonly size: number;
  readonly contentType: string | null;
}

/** The first version whose functions see the checksum of a file in base64, not in hex. */
const BASE64_CHECKSUM_SINCE: ClientVersion = { major: 1, minor: 9, patch: 0 };
/** The first version that may use `db.system`. */
export const SYSTEM_TABLES_SINCE: ClientVersion = { major: 1, minor: 6, patch: 1 };

const VIEWS: Readonly<Record<string, VirtualView>> = {
  _storage(json, clientVersion) {
    const { _id, _creationTime, sha256, size, contentType } = parse(json);
    const isOld = clientVersion !== null && isBefore(clientVersion, BASE64_CHECKSUM_SINCE);
    return canonicalJson({
      _id: _id!,
      _creationTime: _creationTime!,
      sha256: isOld ? toHex(sha256 as string) : sha256!,
      size: size!,
      contentType: contentType ?? null,
    });
  },
  _scheduled_functions(json) {
    const { _id, _creationTime, name, args, scheduledTime, completedTime, state } = parse(json);
    const document: JsonObject = {
      _id: _id!,
      _creationTime: _creationTime!,
      name: name!,
      args: JSON.parse(args as string) as Json,
      scheduledTime: scheduledTime!,
      state: state!,
    };
    if (completedTime !== undefined) document.completedTime = completedTime;
    return canonicalJson(document);
  },
};

const VIRTUAL_NAMES = new Map(
  Object.entries(VIRTUAL_TABLES).map(([name, table]) => [table.name, name]),
);

/** The name under which user functions know the table; null for a private system table. */
export function publicTableName(table: TableInfo): string | null {
  return table.isSystem ? VIRTUAL_NAMES.get(table.name) ?? null : table.name;
}

/** How user functions see the documents of a virtual table. */
export function virtualView(name: string): VirtualView {
  return VIEWS[name]!;
}

/** The name of the table that stores what functions know by this name; null if they may not. */
export function storedTableName(name: string): string | null {
  if (!name.startsWith("_")) return name;
  return Object.hasOwn(VIRTUAL_TABLES, name) ? VIRTUAL_TABLES[name]!.name : null;
}

/** Null when the text is no version. Tags after the numbers do not count. */
export function parseClientVersion(text: string): ClientVersion | null {
  const match = /^(\d+)\.(\d+)\.(\d+)(?:[-+].*)?$/.exec(text);
  if (match === null) return null;
  return { major: Number(match[1]), minor: Number(match[2]), patch: Number(match[3]) };
}

export function isBefore(a: ClientVersion, b: ClientVersion): boolean {
  if (a.major !== b.major) return a.major < b.major;
  return a.minor !== b.minor ? a.minor < b.minor : a.patch < b.patch;
}

function parse(json: string): JsonObject {
  return JSON.parse(json) as JsonObject;
}

function toHex(base64: string): string {
  return Array.from(atob(base64), (char) => char.charCodeAt(0).toString(16).padStart(2, "0"))
    .join("");
}
