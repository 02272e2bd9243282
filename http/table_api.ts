// Routes about tables for administrators: shapes, indexes, deletion (spec http-api 8.5).

import { z } from "zod";
import type { Deployment } from "../deployment/deployment.ts";
import { deleteTables, listIndexes, tableShapes } from "../deployment/table_admin.ts";
import { checkQuery, readShape } from "./body.ts";
import { auditOrigin, requireAdmin } from "./caller.ts";
import { emptyResponse, jsonResponse } from "./errors.ts";
import type { Routes } from "./routes.ts";

const shapesShape = z.object({ component: z.string().optional() });
const indexesShape = z.object({ componentId: z.string().optional() });
const deletionShape = z.object({
  tableNames: z.array(z.string()),
  componentId: z.string().nullish(),
});

export function addTableRoutes(routes: Routes, deployment: Deployment): void {
  const { engine } = deployment;
  routes.add("GET", "/api/shapes2", async (context) => {
    await requireAdmin(context, deployment);
    const { component } = checkQuery(context.req.query(), shapesShape);
    const id = deployment.componentOfId(component ?? null);
    return jsonResponse(engine.read((tx) => tableShapes(tx, id)).value);
  });
  routes.add("GET", "/api/get_indexes", async (context) => {
    await requireAdmin(context, deployment);
    const { componentId } = checkQuery(context.req.query(), indexesShape);
    const id = deployment.componentOfId(componentId ?? null);
    return jsonResponse(engine.read((tx) => listIndexes(tx, id)).value);
  });
  routes.add("POST", "/api/delete_tables", async (context) => {
    await requireAdmin(context, deployment);
    const { tableNames, componentId } = await readShape(context.req.raw, deletionShape);
    const id = deployment.componentOfId(componentId ?? null);
    const origin = auditOrigin(context);
    await engine.transact((tx) => deleteTables(tx, id, tableNames, origin), "delete_tables");
    return emptyResponse();
  });
}
