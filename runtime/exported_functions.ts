// Which exports of an evaluated module are registered functions, in the module's own words (spec
// deploy 7). Isolates and Node processes look at modules in the same way.

import type { ExportDescription } from "./node/protocol.ts";

const KINDS = [
  ["isQuery", "Query"],
  ["isMutation", "Mutation"],
  ["isAction", "Action"],
] as const;

/** Whatever the module's own code throws is thrown. */
export function describeExports(exports: Readonly<Record<string, unknown>>): ExportDescription[] {
  const described: ExportDescription[] = [];
  for (const name of Object.keys(exports)) {
    if (name === "__esModule") continue;
    const description = describeExport(name, exports[name]);
    if (description !== null) described.push(description);
  }
  return described;
}

export function isObject(value: unknown): value is object {
  return typeof value === "function" || typeof value === "object" && value !== null;
}

function describeExport(name: string, value: unknown): ExportDescription | null {
  if (typeof value !== "function") return null;
  const kinds = KINDS.filter(([marker]) => marker in value);
  if (kinds.length !== 1) return null;
  const isPublic = "isPublic" in value;
  const isInternal = "isInternal" in value;
  if (isPublic && isInternal) return null;
  const handler = (value as { _handler?: unknown })._handler ?? value;
  return {
    name,
    udfType: kinds[0]![1],
    visibility: isPublic ? "public" : isInternal ? "internal" : null,
    args: returnedText(value, "exportArgs"),
    returns: returnedText(value, "exportReturns"),
    handlerText: typeof handler === "function" ? Function.prototype.toString.call(handler) : null,
  };
}

function returnedText(value: object, method: "exportArgs" | "exportReturns"): string | null {
  const exporter = (value as Record<string, unknown>)[method];
  return typeof exporter === "function" ? String(exporter.call(value)) : null;
}
