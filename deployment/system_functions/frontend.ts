// The `_system/frontend/…` queries that the CLI and its MCP server use.

import { z } from "zod";
import { schemaToJson } from "../../engine/values/schema.ts";
import type { Json } from "../../engine/values/value.ts";
import { systemQuery } from "./system_function.ts";

/** The mounted components; the app itself has no row but is always there. */
export const listComponents = systemQuery(z.object({}), (_args, { tx }): Json => {
  const root: Json = {
    id: ROOT_COMPONENT_ID,
    name: null,
    path: "",
    args: {},
    state: "active",
    httpPrefix: null,
  };
  const mounted = tx.table("components").all().map((row): Json => ({
    id: row._id,
    name: row.name ?? null,
    path: row.path ?? null,
    args: row.args ?? {},
    state: row.state ?? "active",
    httpPrefix: row.httpPrefix ?? null,
  }));
  return [root, ...mounted];
});

/** Stands for the app where a component id is asked for. */
export const ROOT_COMPONENT_ID = "app";

/** The schema in force and the one that a push is about to put in force, as JSON texts. */
export const getSchemas = systemQuery(
  z.object({ componentId: z.string().nullish() }),
  (_args, { tx, component }): Json => {
    tx.table("schemas").find("by_state", [component]);
    const active = tx.catalog.schema(component, "active");
    const pending = tx.catalog.schema(component, "pending") ??
      tx.catalog.schema(component, "validated");
    return {
      ...(active === null ? {} : { active: JSON.stringify(schemaToJson(active.definition)) }),
      ...(pending === null ? {} : { inProgress: JSON.stringify(schemaToJson(pending.definition)) }),
    };
  },
);
