// What the server says over the WebSocket (sync protocol 4). Messages are put together from texts
// that are JSON already: a query's value is never parsed, and what many sessions receive (the rest
// of a QueryUpdated after its id) is one string that they share.

import { encodeTimestamp, type Timestamp } from "../engine/timestamp.ts";

/** Where a connection's state stands. */
export interface StateVersion {
  readonly querySet: number;
  readonly identity: number;
  readonly ts: Timestamp;
}

export const PING = `{"type":"Ping"}`;

let lastTs = 0 as Timestamp;
let lastTsText = encodeTimestamp(lastTs);

/** Quoted base64 of a timestamp. Many sessions move to the same one, so the last is remembered. */
function timestampText(ts: Timestamp): string {
  if (ts !== lastTs) {
    lastTsText = encodeTimestamp(ts);
    lastTs = ts;
  }
  return `"${lastTsText}"`;
}

export function stateVersionText(version: StateVersion): string {
  return `{"querySet":${version.querySet},"identity":${version.identity},"ts":${
    timestampText(version.ts)
  }}`;
}

/** `start` and `end` are texts of {@link stateVersionText}; `modifications` are complete objects. */
export function transition(
  start: string,
  end: string,
  clientClockSkew: number | null,
  nowMs: number,
  modifications: readonly string[],
): string {
  // Nanoseconds are beyond the exact integers of JSON readers; the precision loss is theirs.
  const serverTs = `${Math.floor(nowMs * 1000)}000`;
  return `{"type":"Transition","startVersion":${start},"endVersion":${end},` +
    `"clientClockSkew":${clientClockSkew},"serverTs":${serverTs},` +
    `"modifications":[${modifications.join(",")}]}`;
}

/** What follows the query id in a QueryUpdated; see {@link queryModification}. */
export function queryUpdatedTail(
  value: string,
  logLines: readonly string[],
  journal: string | null,
): string {
  return `"value":${value},"logLines":${JSON.stringify(logLines)},` +
    `"journal":${JSON.stringify(journal)},"type":"QueryUpdated"}`;
}

/** What follows the query id in a QueryFailed; see {@link queryModification}. */
export function queryFailedTail(
  message: string,
  logLines: readonly string[],
  journal: string | null,
  data: string | undefined,
): string {
  return `"errorMessage":${JSON.stringify(message)},"logLines":${JSON.stringify(logLines)},` +
    `"journal":${JSON.stringify(journal)},${errorData(data)}"type":"QueryFailed"}`;
}

export function queryModification(queryId: number, tail: string): string {
  return `{"queryId":${queryId},${tail}`;
}

export function queryRemoved(queryId: number): string {
  return `{"type":"QueryRemoved","queryId":${queryId}}`;
}

export function mutationSucceeded(
  requestId: number,
  value: string,
  ts: Timestamp,
  logLines: readonly string[],
): string {
  return `{"type":"MutationResponse","requestId":${requestId},"success":true,"result":${value},` +
    `"ts":${timestampText(ts)},"logLines":${JSON.stringify(logLines)}}`;
}

export function mutationFailed(
  requestId: number,
  message: string,
  data: string | undefined,
  logLines: readonly string[],
): string {
  return `{"type":"MutationResponse","requestId":${requestId},"success":false,` +
    `"result":${JSON.stringify(message)},"ts":null,${errorData(data)}` +
    `"logLines":${JSON.stringify(logLines)}}`;
}

export function actionSucceeded(
  requestId: number,
  value: string,
  logLines: readonly string[],
): string {
  return `{"type":"ActionResponse","requestId":${requestId},"success":true,"result":${value},` +
    `"logLines":${JSON.stringify(logLines)}}`;
}

export function actionFailed(
  requestId: number,
  message: string,
  data: string | undefined,
  logLines: readonly string[],
): string {
  return `{"type":"ActionResponse","requestId":${requestId},"success":false,` +
    `"result":${JSON.stringify(message)},${errorData(data)}` +
    `"logLines":${JSON.stringify(logLines)}}`;
}

/** Always followed by a close. */
export function authError(
  error: string,
  baseVersion: number,
  authUpdateAttempted: boolean,
): string {
  return `{"type":"AuthError","error":${JSON.stringify(error)},"baseVersion":${baseVersion},` +
    `"authUpdateAttempted":${authUpdateAttempted}}`;
}

/** Always followed by a close; the client gives up for good. */
export function fatalError(error: string): string {
  return `{"type":"FatalError","error":${JSON.stringify(error)}}`;
}

/** Present only for a ConvexError: the client looks at the field's presence. */
function errorData(data: string | undefined): string {
  return data === undefined ? "" : `"errorData":${data},`;
}
