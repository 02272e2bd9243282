// Routes of the push protocol and of test queries. Their admin key is in the body
// (spec deploy 1, http-api 2.1).

import { z } from "zod";
import type { Deployment } from "../deployment/deployment.ts";
import { BODY_BYTES_MAX, checkShape, DEPLOY_BODY_BYTES_MAX, readJson } from "./body.ts";
import { auditOrigin, badDeployKey, functionContext, requireAdmin } from "./caller.ts";
import { jsonResponse, jsonTextResponse } from "./errors.ts";
import { answerFormat, functionAnswerJson } from "./function_response.ts";
import { getPath, type RequestContext, type Routes } from "./routes.ts";

const SCHEMA_STATE_PREFIX = "/api/schema_state/";
const keyShape = z.looseObject({ adminKey: z.string().optional() });
const waitShape = z.object({
  schemaChange: z.object({ schemaIds: z.record(z.string(), z.string().nullable()) }),
  timeoutMs: z.number().nonnegative().default(10_000),
});
const testQueryShape = z.object({
  bundle: z.object({
    path: z.string(),
    source: z.string(),
    sourceMap: z.string().nullish(),
  }),
  args: z.unknown(),
  format: z.string().nullish(),
  componentId: z.string().nullish(),
});

export function addDeployRoutes(routes: Routes, deployment: Deployment): void {
  /** A route for the holder of an admin key. */
  const add = (
    path: string,
    bytesMax: number,
    handle: (body: unknown, context: RequestContext) => Promise<Response>,
  ) =>
    routes.add("POST", path, async (context) => {
      const body = await readJson(context.req.raw, bytesMax);
      const { adminKey } = checkShape(body, keyShape);
      if (adminKey === undefined) throw badDeployKey();
      deployment.authenticator.admin(adminKey);
      return await handle(body, context);
    });

  add(
    "/api/get_config_hashes",
    BODY_BYTES_MAX,
    () => Promise.resolve(jsonResponse(deployment.configHashes())),
  );
  add(
    "/api/deploy2/start_push",
    DEPLOY_BODY_BYTES_MAX,
    async (body, context) => jsonResponse(await deployment.startPush(body, auditOrigin(context))),
  );
  add(
    "/api/deploy2/evaluate_push",
    DEPLOY_BODY_BYTES_MAX,
    async (body) => jsonResponse(await deployment.evaluatePush(body)),
  );
  add("/api/deploy2/wait_for_schema", DEPLOY_BODY_BYTES_MAX, async (body) => {
    const { schemaChange, timeoutMs } = checkShape(body, waitShape);
    return jsonResponse(await deployment.waitForSchema(schemaChange.schemaIds, timeoutMs));
  });
  add(
    "/api/deploy2/finish_push",
    DEPLOY_BODY_BYTES_MAX,
    async (body, context) => jsonResponse(await deployment.finishPush(body, auditOrigin(context))),
  );
  // The push of CLIs before 1.29.
  add(
    "/api/prepare_schema",
    DEPLOY_BODY_BYTES_MAX,
    async (body, context) =>
      jsonResponse(await deployment.prepareSchema(body, auditOrigin(context))),
  );
  routes.add("GET", `${SCHEMA_STATE_PREFIX}*`, async (context) => {
    await requireAdmin(context, deployment);
    const schemaId = getPath(context.req.raw).slice(SCHEMA_STATE_PREFIX.length);
    return jsonResponse(deployment.schemaState(schemaId));
  });
  add(
    "/api/push_config",
    DEPLOY_BODY_BYTES_MAX,
    async (body, context) => jsonResponse(await deployment.pushConfig(body, auditOrigin(context))),
  );
  // What the CLI measured about the push; nothing here keeps it.
  add(
    "/api/deploy2/report_push_completed",
    BODY_BYTES_MAX,
    () => Promise.resolve(jsonResponse(null)),
  );
  add("/api/run_test_function", DEPLOY_BODY_BYTES_MAX, async (body, context) => {
    const { bundle, args, format, componentId } = checkShape(body, testQueryShape);
    const caller = functionContext(context, { kind: "admin" });
    const options = {
      requestId: caller.requestId,
      format: answerFormat(format, context.env.client),
      redact: deployment.redact,
    };
    const answer = await deployment.runTestQuery(
      { bundle, args, component: deployment.componentOfId(componentId ?? null) },
      { ...caller, caller: "Tester" },
    );
    return jsonTextResponse(functionAnswerJson(answer, options));
  });
}
