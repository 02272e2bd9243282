// Log entries as `convex logs`, the dashboard and other readers get them (spec http-api 7).

import type { Json } from "../engine/values/value.ts";
import type { FunctionKind, Identity, LogLine } from "../runtime/types.ts";
import { printLogLine } from "../sync/result_text.ts";
import type { CompletionEntry, LogEntry, StoredEntry } from "./function_logs.ts";

/** Clients that get log lines as objects; every other gets plain strings. */
const STRUCTURED_CLIENTS = ["npm-cli", "dashboard"];

const UDF_TYPES: Readonly<Record<FunctionKind, string>> = {
  query: "Query",
  mutation: "Mutation",
  action: "Action",
  httpAction: "HttpAction",
};

const IDENTITY_TYPES: Readonly<Record<Identity["kind"], string>> = {
  anonymous: "unknown",
  user: "user",
  admin: "instance_admin",
  acting: "member_acting_user",
  system: "system",
};

export function hasStructuredLines(client: string): boolean {
  return STRUCTURED_CLIENTS.includes(client);
}

export function logEntryJson({ entry, time }: StoredEntry, structured: boolean): Json {
  const lines = entry.logLines.map((line) =>
    structured ? structuredLine(line) : printLogLine(line)
  );
  const common = {
    udfType: UDF_TYPES[entry.kind],
    componentPath: entry.componentPath,
    identifier: entry.identifier,
    requestId: entry.requestId,
    executionId: entry.executionId,
  };
  if (entry.type === "progress") {
    return { kind: "Progress", ...common, timestamp: entry.startedAt / 1000, logLines: lines };
  }
  return {
    kind: "Completion",
    ...common,
    logLines: streamsItsLines(entry) ? [] : lines,
    timestamp: time / 1000,
    executionTimestamp: entry.startedAt / 1000,
    executionTime: entry.duration / 1000,
    userExecutionTime: entry.stats.executionMs / 1000,
    caller: entry.caller,
    success: entry.httpStatus === null ? null : { status: String(entry.httpStatus) },
    error: entry.error,
    parentExecutionId: entry.parentExecutionId,
    cachedResult: entry.isCached,
    willRetry: entry.conflict?.willRetry ?? false,
    returnBytes: entry.returnBytes,
    usageStats: usageStats(entry),
    occInfo: occInfo(entry),
    identityType: IDENTITY_TYPES[entry.identity],
    environment: entry.environment,
  };
}

/** An entry of `stream_udf_execution`: completions only, with all lines as strings. */
export function executionJson(stored: StoredEntry): Json {
  const json = logEntryJson(stored, false) as { [key: string]: Json };
  return { ...json, logLines: stored.entry.logLines.map(printLogLine) };
}

/** Lines of actions went out while they ran. */
function streamsItsLines(entry: LogEntry): boolean {
  return entry.kind === "action" || entry.kind === "httpAction";
}

function structuredLine(line: LogLine): Json {
  return {
    messages: [...line.messages],
    isTruncated: line.isTruncated,
    timestamp: Math.floor(line.timestamp),
    level: line.level,
    systemMetadata: line.systemCode === undefined ? null : { code: line.systemCode },
    ...(line.componentPath === undefined ? {} : { componentPath: line.componentPath }),
    ...(line.udfPath === undefined ? {} : { udfPath: line.udfPath }),
  };
}

function occInfo({ conflict }: CompletionEntry): Json {
  if (conflict === null) return null;
  const { table, documentId, source, retries } = conflict;
  return {
    tableName: table,
    documentId,
    writeSource: source,
    componentPath: null,
    retryCount: retries,
  };
}

function usageStats({ stats }: CompletionEntry): Json {
  return {
    databaseReadBytes: stats.bytesRead,
    databaseWriteBytes: stats.bytesWritten,
    databaseIoReadBytes: stats.bytesRead,
    databaseIoWriteBytes: stats.bytesWritten,
    databaseReadDocuments: stats.documentsRead,
    databaseWriteDocuments: stats.documentsWritten,
    storageReadBytes: 0,
    storageWriteBytes: 0,
    vectorIndexReadBytes: 0,
    vectorIndexWriteBytes: 0,
    textIndexQueryBytes: 0,
    textIndexWriteQueryBytes: 0,
    vectorIndexReadQueryBytes: 0,
    vectorIndexWriteQueryBytes: 0,
    networkEgressBytes: 0,
    memoryUsedMb: 0,
  };
}
