// The `_system/frontend/…` queries that the CLI and its MCP server use.

import { z } from "zod";
import { listComponents } from "../../engine/components.ts";
import { schemaToJson } from "../../engine/values/schema.ts";
import type { Json } from "../../engine/values/value.ts";
import { APP_ID } from "../component_admin.ts";
import { systemQuery } from "./system_function.ts";

/** The components, unmounted ones included; the app itself has no row but is always there. */
export const installedComponents = systemQuery(z.object({}), (_args, { tx }): Json => {
  const root: Json = {
    id: APP_ID,
    name: null,
    path: "",
    args: {},
    state: "active",
    httpPrefix: null,
  };
  const installed = listComponents(tx).map(({ _id, name, path, state, httpPrefix }): Json => ({
    id: _id,
    name,
    path,
    args: {},
    state,
    httpPrefix,
  }));
  return [root, ...installed];
});

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
