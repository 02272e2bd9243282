// Removing an unmounted component with its data (spec components 5).

import { z } from "zod";
import type { Deployment } from "../deployment/deployment.ts";
import { BODY_BYTES_MAX, checkShape, readJson } from "./body.ts";
import { auditOrigin, requireAdmin } from "./caller.ts";
import { emptyResponse } from "./errors.ts";
import type { Routes } from "./routes.ts";

const deletionShape = z.object({ componentId: z.string() });

export function addComponentRoutes(routes: Routes, deployment: Deployment): void {
  routes.add("POST", "/api/delete_component", async (context) => {
    await requireAdmin(context, deployment);
    const body = await readJson(context.req.raw, BODY_BYTES_MAX);
    const { componentId } = checkShape(body, deletionShape);
    await deployment.deleteComponent(componentId, auditOrigin(context));
    return emptyResponse();
  });
}
