// `_system/cli/modules:apiSpec`: the functions that the app defines.

import { z } from "zod";
import type { Json } from "../../engine/values/value.ts";
import type { ModuleAnalysis } from "../../runtime/frames.ts";
import { systemQuery } from "./system_function.ts";

const ANY_VALIDATOR: Json = { type: "any" };

export const apiSpec = systemQuery(
  z.object({ componentId: z.string().nullish() }),
  (_args, { tx, component }) =>
    tx.table("modules").find("by_path", [component])
      .filter((row) => typeof row.analysis === "string")
      .flatMap((row) => moduleSpec(String(row.path), JSON.parse(String(row.analysis)))),
);

function moduleSpec(path: string, analysis: ModuleAnalysis): Json[] {
  const functions = analysis.functions.map((fn): Json => ({
    identifier: `${path}:${fn.name}`,
    functionType: fn.udfType,
    visibility: fn.visibility === null ? null : { ...fn.visibility },
    args: validatorJson(fn.args),
    returns: validatorJson(fn.returns),
  }));
  const routes = (analysis.httpRoutes ?? []).map(({ route }): Json => ({
    functionType: "HttpAction",
    method: route.method,
    path: route.path,
  }));
  return [...functions, ...routes];
}

/** Functions without a validator accept and return anything. */
function validatorJson(text: string | null): Json {
  return text === null ? ANY_VALIDATOR : JSON.parse(text) ?? ANY_VALIDATOR;
}
