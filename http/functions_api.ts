// The functions API: queries, mutations and actions over HTTP (spec http-api 6).

import { z } from "zod";
import type { Deployment } from "../deployment/deployment.ts";
import { PlatformError, userError } from "../engine/errors.ts";
import { decodeTimestamp, encodeTimestamp, type Timestamp } from "../engine/timestamp.ts";
import type { ComponentId } from "../engine/types.ts";
import type {
  FunctionCall,
  FunctionKind,
  FunctionPath,
  RequestContext as FunctionContext,
} from "../runtime/types.ts";
import { parseFunctionPath, PathError } from "../sync/function_path.ts";
import { checkShape, FUNCTION_BODY_BYTES_MAX, readJson } from "./body.ts";
import { badDeployKey, functionContext, identify, isAdmin } from "./caller.ts";
import { isDeterministic, jsonResponse, jsonTextResponse, requireParameter } from "./errors.ts";
import {
  answerFormat,
  failedAnswer,
  type FunctionAnswer,
  functionAnswerJson,
} from "./function_response.ts";
import { getPath, type RequestContext, type Routes } from "./routes.ts";

const callShape = z.object({
  path: z.string(),
  args: z.unknown(),
  format: z.string().nullish(),
  componentPath: z.string().nullish(),
});
const callAtShape = callShape.extend({ ts: z.string() });
const batchShape = z.object({ queries: z.array(callShape) });

type CallRequest = z.infer<typeof callShape>;
/** A kind that the functions API can run; null: whatever kind the function is of. */
type CallKind = "query" | "mutation" | "action";

const RUN_PREFIX = "/api/run/";

export function addFunctionRoutes(routes: Routes, deployment: Deployment): void {
  const api = new FunctionsApi(deployment);
  routes.add("POST", "/api/query", (context) => api.call(context, "query"));
  routes.add("GET", "/api/query", (context) => api.queryByUrl(context));
  routes.add("POST", "/api/mutation", (context) => api.call(context, "mutation"));
  routes.add("POST", "/api/action", (context) => api.call(context, "action"));
  routes.add("POST", "/api/function", (context) => api.callByName(context));
  routes.add("POST", "/api/run/*", (context) => api.callByUrl(context));
  routes.add("POST", "/api/query_ts", () => api.latestTimestamp());
  routes.add("POST", "/api/query_at_ts", (context) => api.queryAt(context));
  routes.add("POST", "/api/query_batch", (context) => api.queryBatch(context));
}

class FunctionsApi {
  constructor(private readonly deployment: Deployment) {}

  async call(context: RequestContext, kind: CallKind): Promise<Response> {
    const request = await readCall(context, callShape);
    const caller = functionContext(context, await identify(context, this.deployment));
    const path = functionPath(request.path, "");
    return this.#respond(context, request, caller, await this.#run(kind, path, request, caller));
  }

  async queryByUrl(context: RequestContext): Promise<Response> {
    const request: CallRequest = {
      path: requireParameter(context.req.query("path"), "path"),
      args: parseArgsParameter(context.req.query("args") ?? "{}"),
      format: context.req.query("format"),
    };
    const caller = functionContext(context, await identify(context, this.deployment));
    const path = functionPath(request.path, "");
    return this.#respond(context, request, caller, await this.#run("query", path, request, caller));
  }

  /** `/api/function`: any kind of function, in any component, for administrators. */
  async callByName(context: RequestContext): Promise<Response> {
    const request = await readCall(context, callShape);
    const identity = await identify(context, this.deployment);
    if (!isAdmin(identity)) throw badDeployKey();
    const component = this.deployment.resolveComponent(request.componentPath ?? "");
    return await this.#callAnyKind(context, request, functionPath(request.path, component));
  }

  /** `/api/run/dir/module/function` or `/api/run/dir/module:function`. */
  async callByUrl(context: RequestContext): Promise<Response> {
    const segments = getPath(context.req.raw).slice(RUN_PREFIX.length).split("/").map(
      decodeSegment,
    );
    const last = segments.at(-1)!;
    const name = last.includes(":")
      ? segments.join("/")
      : segments.slice(0, -1).join("/") + `:${last}`;
    if (name.startsWith(":") || last === "") {
      throw userError(
        "MissingIdentifier",
        "Path or function name not provided in path, e.g. /api/run/messages/list",
      );
    }
    const body = await readCall(context, callShape.omit({ path: true }));
    const format = body.format ?? "json";
    return await this.#callAnyKind(
      context,
      { ...body, format, path: name },
      functionPath(name, ""),
    );
  }

  latestTimestamp(): Response {
    return jsonResponse({ ts: encodeTimestamp(this.deployment.engine.committer.durable) });
  }

  async queryAt(context: RequestContext): Promise<Response> {
    const request = await readCall(context, callAtShape);
    let ts: Timestamp;
    try {
      ts = decodeTimestamp(request.ts);
    } catch (error) {
      throw userError("BadJsonBody", `Invalid timestamp: ${(error as Error).message}`);
    }
    const caller = functionContext(context, await identify(context, this.deployment));
    const path = functionPath(request.path, "");
    const answer = await this.#run("query", path, request, caller, ts);
    return this.#respond(context, request, caller, answer);
  }

  /** Several queries at one timestamp; one bad path fails them all. */
  async queryBatch(context: RequestContext): Promise<Response> {
    const { queries } = await readCall(context, batchShape);
    const caller = functionContext(context, await identify(context, this.deployment));
    const prepared = queries.map((request) => ({
      request,
      path: functionPath(request.path, ""),
      format: answerFormat(request.format, context.env.client),
    }));
    const ts = this.deployment.engine.committer.durable;
    const results = await Promise.all(prepared.map(async ({ request, path, format }) => {
      const answer = await this.#run("query", path, request, caller, ts);
      const { redact } = this.deployment;
      return functionAnswerJson(answer, { requestId: caller.requestId, format, redact });
    }));
    return jsonTextResponse(`{"results":[${results.join(",")}]}`);
  }

  async #callAnyKind(
    context: RequestContext,
    request: CallRequest,
    path: FunctionPath,
  ): Promise<Response> {
    const identity = await identify(context, this.deployment);
    const caller: FunctionContext = {
      ...functionContext(context, identity),
      notFoundWording: "runByName",
    };
    const kind = callableKind(this.deployment.runner.kindOf(path));
    return this.#respond(context, request, caller, await this.#run(kind, path, request, caller));
  }

  async #run(
    kind: CallKind,
    path: FunctionPath,
    request: CallRequest,
    context: FunctionContext,
    ts?: Timestamp,
  ): Promise<FunctionAnswer> {
    // Clients send the list of arguments or its only member.
    const args = JSON.stringify(Array.isArray(request.args) ? request.args : [request.args ?? {}]);
    const call: FunctionCall = { path, args, context };
    const { runner, sync } = this.deployment;
    try {
      if (kind === "query") return await sync.query(call, ts);
      return kind === "mutation" ? await runner.runMutation(call) : await runner.runAction(call);
    } catch (error) {
      if (isDeterministic(error)) return failedAnswer(error);
      throw error;
    }
  }

  /** A wrong format is found only now: a mutation has committed already, as on the platform. */
  #respond(
    context: RequestContext,
    request: CallRequest,
    { requestId }: FunctionContext,
    answer: FunctionAnswer,
  ): Response {
    const format = answerFormat(request.format, context.env.client);
    const { redact } = this.deployment;
    return jsonTextResponse(functionAnswerJson(answer, { requestId, format, redact }));
  }
}

async function readCall<Shape extends z.ZodType>(
  context: RequestContext,
  shape: Shape,
): Promise<z.infer<Shape>> {
  return checkShape(await readJson(context.req.raw, FUNCTION_BODY_BYTES_MAX), shape);
}

/** @throws PlatformError `BadConvexFunctionIdentifier` */
function functionPath(text: string, component: ComponentId): FunctionPath {
  try {
    return { component, ...parseFunctionPath(text) };
  } catch (error) {
    if (!(error instanceof PathError)) throw error;
    throw userError(
      "BadConvexFunctionIdentifier",
      `${text} is not a valid path to a Convex function. ${error.message}`,
    );
  }
}

/** Running an unknown function, or one that HTTP requests reach elsewhere, as a query reports it. */
function callableKind(kind: FunctionKind | null): CallKind {
  return kind === "mutation" || kind === "action" ? kind : "query";
}

function parseArgsParameter(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw userError(
      "BadQueryArgs",
      `Failed to parse \`args\` as JSON: ${(error as Error).message}`,
    );
  }
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new PlatformError("badRequest", "BadPathArgs", `Invalid URL encoding in ${segment}`);
  }
}
