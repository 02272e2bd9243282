// May this identity call that function at all? The checks that come before a run and do not depend
// on data (sync protocol 6 and 8).

import type { ComponentId } from "../engine/types.ts";
import type { FunctionCall, Identity } from "../runtime/types.ts";
import type { Target } from "./client_messages.ts";
import { ProtocolFault } from "./ending.ts";
import { isSystemModule } from "./function_path.ts";

export type Operation = "query" | "mutation" | "action";

/** Finds a component by its path; null if there is none. */
export type ResolveComponent = (path: string) => ComponentId | null;

/** A call that may be made, or the text with which it is refused. */
export type PreparedCall =
  | { readonly requestId: string; readonly call: FunctionCall; readonly refusal: null }
  | { readonly requestId: string; readonly call: null; readonly refusal: string };

/** Who asks: part of every call's context. */
export interface Connection {
  readonly ip: string | null;
  readonly userAgent: string | null;
  /** Tells it from all others. */
  readonly id?: string;
}

/** The deployment's own admin: not one who acts as a user. */
export function isPlainAdmin(identity: Identity): boolean {
  return identity.kind === "admin" || identity.kind === "system";
}

/** Admins reach internal functions, also while they act as a user. */
export function visibilityOf(identity: Identity): "public" | "all" {
  return isPlainAdmin(identity) || identity.kind === "acting" ? "all" : "public";
}

/** The text with which `_system/...` is refused to everyone but admins, or null. */
export function systemRefusal(
  module: string,
  identity: Identity,
  operation: Operation,
): string | null {
  if (!isSystemModule(module) || isPlainAdmin(identity)) return null;
  return `Operation ${operation} not permitted`;
}

/**
 * Makes the call that a client asks for. `args` is null if it sent something else than an array.
 * @throws ProtocolFault when a child component is named without admin rights: the connection must end.
 */
export function prepareCall(
  request: { readonly target: Target; readonly args: string | null },
  operation: Operation,
  requestId: string,
  identity: Identity,
  connection: Connection,
  resolveComponent: ResolveComponent,
): PreparedCall {
  const { componentPath, module, name } = request.target;
  if (componentPath !== "" && !isPlainAdmin(identity)) {
    throw new ProtocolFault("a function of a child component was called without admin rights");
  }
  const refuse = (refusal: string) => ({ requestId, call: null, refusal });
  const notPermitted = systemRefusal(module, identity, operation);
  if (notPermitted !== null) return refuse(notPermitted);
  const component = componentPath === "" ? "" : resolveComponent(componentPath);
  if (component === null) return refuse(`Component path '${componentPath}' not found`);
  if (request.args === null) return refuse("Invalid arguments provided");
  const call: FunctionCall = {
    path: { component, module, name },
    args: request.args,
    context: {
      requestId,
      identity,
      caller: "SyncWorker",
      visibility: visibilityOf(identity),
      ip: connection.ip,
      userAgent: connection.userAgent,
      connection: connection.id,
    },
  };
  return { requestId, call, refusal: null };
}
