// Long polls on the function log (spec http-api 7).

import {
  executionJson,
  hasStructuredLines,
  logEntryJson,
} from "../deployment/function_log_json.ts";
import type { StoredEntry } from "../deployment/function_logs.ts";
import type { Deployment } from "../deployment/deployment.ts";
import { userError } from "../engine/errors.ts";
import { sessionRequestId } from "../sync/request_id.ts";
import { requireAdmin } from "./caller.ts";
import { jsonResponse, requireParameter } from "./errors.ts";
import type { RequestContext, Routes } from "./routes.ts";

export function addLogRoutes(routes: Routes, deployment: Deployment): void {
  const streamFunctionLogs = async (context: RequestContext) => {
    await requireAdmin(context, deployment);
    const isWanted = requestFilter(context);
    const structured = hasStructuredLines(context.env.client.client);
    const page = await deployment.functionLogs.poll(cursorOf(context));
    return jsonResponse({
      entries: page.entries.filter(isWanted).map((stored) => logEntryJson(stored, structured)),
      newCursor: page.newCursor,
    });
  };
  const streamExecutions = async (context: RequestContext) => {
    await requireAdmin(context, deployment);
    const page = await deployment.functionLogs.poll(cursorOf(context));
    return jsonResponse({
      entries: page.entries.filter(({ entry }) => entry.type === "completion").map(executionJson),
      newCursor: page.newCursor,
    });
  };
  for (const prefix of ["/api/", "/api/app_metrics/"]) {
    routes.add("GET", `${prefix}stream_function_logs`, streamFunctionLogs);
    routes.add("GET", `${prefix}stream_udf_execution`, streamExecutions);
  }
}

/** @throws PlatformError `BadQueryArgs` */
function cursorOf(context: RequestContext): number {
  const text = requireParameter(context.req.query("cursor"), "cursor");
  const cursor = Number(text);
  if (text !== "" && Number.isFinite(cursor)) return cursor;
  throw userError("BadQueryArgs", "Failed to deserialize query string: invalid float literal");
}

/** A client that names its session and request gets the entries of that request only. */
function requestFilter(context: RequestContext): (stored: StoredEntry) => boolean {
  const sessionId = context.req.query("sessionId");
  const counter = context.req.query("clientRequestCounter");
  if (sessionId === undefined || counter === undefined) return () => true;
  const requestId = sessionRequestId(sessionId, Number(counter));
  return ({ entry }) => entry.requestId === requestId;
}
