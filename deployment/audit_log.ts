// The audit log: who changed the deployment's code, configuration and state, and from where. An entry
// is written in the transaction of its change, so neither is ever there alone (spec services 6.5).

import { Buffer } from "node:buffer";
import { componentPath, ROOT_COMPONENT } from "../engine/components.ts";
import { userError } from "../engine/errors.ts";
import type { SystemDocument } from "../engine/system_table_access.ts";
import type { Transaction } from "../engine/transaction.ts";
import type { ComponentId } from "../engine/types.ts";
import type { Json } from "../engine/values/value.ts";

const RETENTION_MS = 365 * 24 * 3600_000;
/** Expired entries that a new one removes. */
const EXPIRED_BATCH = 16;
/** Longer metadata, in characters of JSON, is left out. */
const METADATA_LENGTH_MAX = 256 * 1024;
export const AUDIT_PAGE_DEFAULT = 15;
export const AUDIT_PAGE_MAX = 100;

/** Whence the request for a change came. Admin keys name no person. */
export interface AuditOrigin {
  readonly clientIp: string | null;
  readonly clientUserAgent: string | null;
}

/** Of changes that no request asked for. */
export const NO_ORIGIN: AuditOrigin = { clientIp: null, clientUserAgent: null };

export interface AuditEntry {
  /** As in the table of the spec, e.g. `update_environment_variable`. */
  readonly action: string;
  readonly metadata: { readonly [field: string]: Json };
}

/** What a push changed, as its answer tells the CLI. */
export type PushChanges = {
  readonly authDiff: Json;
  /** By component path. */
  readonly componentDiffs: { readonly [path: string]: { readonly [part: string]: Json } };
};

/** The entry of a push. */
export function pushEntry(changes: PushChanges, message: string | null): AuditEntry {
  const componentDiffs = Object.entries(changes.componentDiffs).map(([path, diff]): Json => ({
    component_path: path === "" ? null : path,
    component_diff: {
      diff_type: diff.diffType ?? null,
      module_diff: diff.moduleDiff ?? null,
      udf_config_diff: diff.udfConfigDiff ?? null,
      cron_diff: diff.cronDiff ?? null,
      index_diff: diff.indexDiff ?? null,
      schema_diff: diff.schemaDiff ?? null,
    },
  }));
  const metadata = {
    auth_diff: changes.authDiff,
    component_diffs: componentDiffs,
    message,
    node_version_diff: null,
  };
  return { action: "push_config_with_components", metadata };
}

/** How entries name the component that was changed. */
export function auditedComponent(tx: Transaction, component: ComponentId): AuditEntry["metadata"] {
  return {
    component_id: component === ROOT_COMPONENT ? null : component,
    component: componentPath(tx, component),
  };
}

/** Adds an entry. */
export function recordAudit(
  tx: Transaction,
  { action, metadata }: AuditEntry,
  origin: AuditOrigin,
): void {
  const table = tx.table("auditLog");
  const cutoff = tx.nowMs - RETENTION_MS;
  for (
    const { _id } of table.range("by_creation_time", [], { lt: cutoff, limit: EXPIRED_BATCH })
  ) {
    table.remove(_id);
  }
  const isShort = JSON.stringify(metadata).length <= METADATA_LENGTH_MAX;
  table.insert({
    action,
    metadata: isShort ? { ...metadata } : { truncated: true },
    member_id: null,
    token_id: null,
    app_client_id: null,
    client_ip: origin.clientIp,
    client_user_agent: origin.clientUserAgent,
  });
}

export interface AuditPageRequest {
  readonly fromMs: number;
  readonly limit: number;
  /** `nextCursor` of the page before. */
  readonly cursor: string | null;
}

/**
 * A page of the entries, oldest first, as the API shows them.
 * @throws PlatformError `BadQueryArgs` for a cursor that no page had
 */
export function listAuditEntries(tx: Transaction, request: AuditPageRequest): Json {
  const after = request.cursor === null ? null : decodeCursor(request.cursor);
  const entries = tx.table("auditLog").scan("by_creation_time", [], {
    gte: after?.time ?? request.fromMs,
    batchRows: request.limit + 1,
  });
  const page: SystemDocument[] = [];
  let hasMore = false;
  for (const entry of entries) {
    if (after !== null && entry._creationTime === after.time && entry._id <= after.id) continue;
    hasMore = page.length === request.limit;
    if (hasMore) break;
    page.push(entry);
  }
  const last = page.at(-1);
  const nextCursor = hasMore && last !== undefined ? encodeCursor(last) : null;
  return { items: page.map(auditItem), pagination: { hasMore, nextCursor } };
}

function auditItem(entry: SystemDocument): Json {
  return {
    actor: { kind: "system" },
    action: entry.action ?? null,
    createTime: entry._creationTime,
    metadata: entry.metadata ?? null,
    clientIp: entry.client_ip ?? null,
    clientUserAgent: entry.client_user_agent ?? null,
  };
}

function encodeCursor({ _creationTime, _id }: SystemDocument): string {
  return Buffer.from(JSON.stringify([_creationTime, _id])).toString("base64url");
}

function decodeCursor(cursor: string): { time: number; id: string } {
  try {
    const [time, id] = JSON.parse(Buffer.from(cursor, "base64url").toString());
    if (typeof time === "number" && typeof id === "string") return { time, id };
  } catch {
    // Not a cursor of ours.
  }
  throw userError("BadQueryArgs", "Failed to deserialize query string: invalid cursor");
}
