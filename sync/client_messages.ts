// What a client may say over the WebSocket, and how its JSON is checked (sync protocol 3 and 8).

import { PlatformError, userError } from "../engine/errors.ts";
import { decodeTimestamp, type Timestamp } from "../engine/timestamp.ts";
import type { UserAttributes } from "../runtime/types.ts";
import { checkComponentPath, type ModuleFunction, parseFunctionPath } from "./function_path.ts";
import { parseUserAttributes } from "./user_attributes.ts";

const U32_MAX = 2 ** 32 - 1;
const TIMESTAMP_MICROS_MAX = Number(2n ** 63n / 1000n);
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Which function of which component a client means; the component by its path. */
export interface Target extends ModuleFunction {
  readonly componentPath: string;
}

export interface ConnectMessage {
  readonly type: "Connect";
  /** UUID, lowercase. */
  readonly sessionId: string;
  readonly maxObservedTimestamp: Timestamp | null;
  /** The client's clock, milliseconds since the epoch. */
  readonly clientTs: number | null;
}

/** What a client shows to prove who it is. */
export type AuthToken =
  | { readonly tokenType: "User"; readonly value: string }
  | {
    readonly tokenType: "Admin";
    readonly value: string;
    readonly impersonating: UserAttributes | null;
  }
  | { readonly tokenType: "None" };

export interface AuthenticateMessage {
  readonly type: "Authenticate";
  readonly token: AuthToken;
  readonly baseVersion: number;
}

/** `args` is the JSON text of an array, or null if the client sent something else. */
export interface AddQuery {
  readonly type: "Add";
  readonly queryId: number;
  readonly target: Target;
  readonly args: string | null;
  readonly journal: string | null;
}

export interface RemoveQuery {
  readonly type: "Remove";
  readonly queryId: number;
}

export interface ModifyQuerySetMessage {
  readonly type: "ModifyQuerySet";
  readonly baseVersion: number;
  readonly newVersion: number;
  readonly modifications: readonly (AddQuery | RemoveQuery)[];
}

export interface CallMessage {
  readonly type: "Mutation" | "Action";
  readonly requestId: number;
  readonly target: Target;
  readonly args: string | null;
}

export type ClientMessage =
  | ConnectMessage
  | AuthenticateMessage
  | ModifyQuerySetMessage
  | CallMessage
  | { readonly type: "Event" };

type Fields = Readonly<Record<string, unknown>>;

/**
 * Reads a text frame. Unknown extra fields are ignored.
 * @throws PlatformError `WSMessageInvalidJson` or `InvalidComponentPath`, for a FatalError message.
 */
export function parseClientMessage(text: string): ClientMessage {
  try {
    return parseMessage(asObject(JSON.parse(text), "message"));
  } catch (error) {
    if (error instanceof PlatformError) throw error;
    const detail = error instanceof Error ? error.message : String(error);
    throw userError("WSMessageInvalidJson", `Received Invalid JSON on websocket: ${detail}`);
  }
}

function parseMessage(message: Fields): ClientMessage {
  switch (message.type) {
    case "Connect":
      return parseConnect(message);
    case "Authenticate":
      return {
        type: "Authenticate",
        token: parseToken(message),
        baseVersion: u32(message, "baseVersion"),
      };
    case "ModifyQuerySet":
      return parseModifyQuerySet(message);
    case "Mutation":
    case "Action":
      return parseCall(message, message.type);
    case "Event":
      return { type: "Event" };
    case undefined:
      throw new TypeError("missing field `type`");
    default:
      throw new TypeError(`unknown variant \`${String(message.type)}\``);
  }
}

function parseConnect(message: Fields): ConnectMessage {
  const sessionId = string(message, "sessionId").toLowerCase();
  if (!UUID.test(sessionId)) throw new TypeError("sessionId must be a UUID");
  u32(message, "connectionCount");
  optionalString(message, "lastCloseReason");
  const observed = optionalString(message, "maxObservedTimestamp");
  const clientTs = message.clientTs ?? null;
  if (clientTs !== null && !Number.isSafeInteger(clientTs)) {
    throw new TypeError("clientTs must be an integer");
  }
  return {
    type: "Connect",
    sessionId,
    maxObservedTimestamp: observed === null ? null : timestamp(observed),
    clientTs: clientTs as number | null,
  };
}

function timestamp(text: string): Timestamp {
  const ts = decodeTimestamp(text);
  if (ts >= TIMESTAMP_MICROS_MAX) throw new TypeError("timestamp must be less than 2^63");
  return ts;
}

function parseToken(message: Fields): AuthToken {
  switch (message.tokenType) {
    case "User":
      return { tokenType: "User", value: string(message, "value") };
    case "Admin": {
      const acting = message.impersonating ?? message.acting_as ?? null;
      return {
        tokenType: "Admin",
        value: string(message, "value"),
        impersonating: acting === null ? null : parseUserAttributes(acting),
      };
    }
    case "None":
      return { tokenType: "None" };
    default:
      throw new TypeError("tokenType must be User, Admin or None");
  }
}

function parseModifyQuerySet(message: Fields): ModifyQuerySetMessage {
  const modifications = message.modifications;
  if (modifications === undefined) throw new TypeError("ModifyQuerySet lacks modifications");
  if (!Array.isArray(modifications)) throw new TypeError("modifications must be an array");
  return {
    type: "ModifyQuerySet",
    baseVersion: u32(message, "baseVersion"),
    newVersion: u32(message, "newVersion"),
    modifications: modifications.map((item) => parseModification(asObject(item, "modification"))),
  };
}

function parseModification(item: Fields): AddQuery | RemoveQuery {
  const queryId = u32(item, "queryId");
  if (item.type === "Remove") return { type: "Remove", queryId };
  if (item.type !== "Add") throw new TypeError("a modification must be an Add or a Remove");
  return {
    type: "Add",
    queryId,
    target: parseTarget(item),
    args: argsText(item.args),
    journal: optionalString(item, "journal"),
  };
}

function parseCall(message: Fields, type: "Mutation" | "Action"): CallMessage {
  const requestId = u32(message, "requestId");
  const target = parseTarget(message);
  if (message.args === undefined) throw new TypeError(`${type} lacks args`);
  return { type, requestId, target, args: argsText(message.args) };
}

function parseTarget(fields: Fields): Target {
  const { module, name } = parseFunctionPath(string(fields, "udfPath"));
  const componentPath = optionalString(fields, "componentPath") ?? "";
  checkComponentPath(componentPath);
  return { module, name, componentPath };
}

function argsText(args: unknown): string | null {
  return Array.isArray(args) ? JSON.stringify(args) : null;
}

function asObject(value: unknown, what: string): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new TypeError(`${what} must be an object`);
  }
  return value as Fields;
}

function u32(fields: Fields, name: string): number {
  const value = fields[name];
  if (value === undefined) throw new TypeError(`missing field \`${name}\``);
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value > U32_MAX) {
    throw new TypeError(`${name} must be an integer from 0 to ${U32_MAX}`);
  }
  return value;
}

function string(fields: Fields, name: string): string {
  const value = fields[name];
  if (value === undefined) throw new TypeError(`missing field \`${name}\``);
  if (typeof value !== "string") throw new TypeError(`${name} must be a string`);
  return value;
}

function optionalString(fields: Fields, name: string): string | null {
  const value = fields[name] ?? null;
  if (value !== null && typeof value !== "string") throw new TypeError(`${name} must be a string`);
  return value;
}
