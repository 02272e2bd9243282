// What administrators do to scheduled functions (spec services 1.5).

import { z } from "zod";
import type { AuditOrigin } from "../deployment/audit_log.ts";
import type { Deployment } from "../deployment/deployment.ts";
import {
  cancelAllJobs,
  cancelOneJob,
  deleteAllJobs,
} from "../deployment/scheduler/job_maintenance.ts";
import { canonicalName, parseFunctionName } from "../runtime/isolate/function_path.ts";
import { BODY_BYTES_MAX, checkShape, readJson } from "./body.ts";
import { auditOrigin, requireAdmin } from "./caller.ts";
import { emptyResponse } from "./errors.ts";
import type { Routes } from "./routes.ts";

const NANOSECONDS_PER_MS = 1e6;
const nanoseconds = z.union([z.number(), z.string().regex(/^\d+$/)]).transform(Number).nullish();
const jobShape = z.object({ id: z.string(), componentId: z.string().nullish() });
const selectionShape = z.object({
  componentId: z.string().nullish(),
  componentPath: z.string().nullish(),
  udfPath: z.string().nullish(),
  startNextTs: nanoseconds,
  endNextTs: nanoseconds,
});
const tableShape = z.object({ componentId: z.string().nullish() });

export function addSchedulerRoutes(routes: Routes, deployment: Deployment): void {
  const { engine } = deployment;
  const add = (path: string, handle: (body: unknown, origin: AuditOrigin) => Promise<unknown>) =>
    routes.add("POST", path, async (context) => {
      await requireAdmin(context, deployment);
      await handle(await readJson(context.req.raw, BODY_BYTES_MAX), auditOrigin(context));
      return emptyResponse();
    });

  add("/api/cancel_job", async (body, origin) => {
    const { id, componentId } = checkShape(body, jobShape);
    await cancelOneJob(engine, deployment.componentOfId(componentId ?? null), id, origin);
  });
  add("/api/cancel_all_jobs", async (body, origin) => {
    const selection = checkShape(body, selectionShape);
    const component = selection.componentId == null
      ? deployment.resolveComponent(selection.componentPath ?? "")
      : deployment.componentOfId(selection.componentId);
    const { udfPath, startNextTs, endNextTs } = selection;
    await cancelAllJobs(engine, {
      component,
      name: udfPath ? canonicalName(parseFunctionName(component, udfPath)) : null,
      startMs: startNextTs == null ? null : startNextTs / NANOSECONDS_PER_MS,
      endMs: endNextTs == null ? null : endNextTs / NANOSECONDS_PER_MS,
    }, origin);
  });
  add("/api/delete_scheduled_functions_table", async (body, origin) => {
    const { componentId } = checkShape(body, tableShape);
    await deleteAllJobs(engine, deployment.componentOfId(componentId ?? null), origin);
  });
}
