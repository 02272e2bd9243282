// The server as its own issuer, and an HTTP action that asks who calls.
import { httpActionGeneric as httpAction, httpRouter, makeFunctionReference } from "convex/server";

const http = httpRouter();

http.route({
  path: "/.well-known/openid-configuration",
  method: "GET",
  handler: httpAction(() => {
    const issuer = process.env.CONVEX_SITE_URL;
    const configuration = { issuer, jwks_uri: `${issuer}/.well-known/jwks.json` };
    return Promise.resolve(Response.json(configuration));
  }),
});

http.route({
  path: "/.well-known/jwks.json",
  method: "GET",
  handler: httpAction(() => Promise.resolve(Response.json(JSON.parse(process.env.JWKS!)))),
});

http.route({
  path: "/who",
  method: "GET",
  handler: httpAction(async (ctx) => {
    try {
      return Response.json(await ctx.auth.getUserIdentity());
    } catch (error) {
      return new Response((error as Error).message, { status: 401 });
    }
  }),
});

http.route({
  path: "/nested",
  method: "GET",
  handler: httpAction(async (ctx) =>
    Response.json([
      await ctx.runQuery(makeFunctionReference<"query">("who:asQuery")),
      await ctx.runMutation(makeFunctionReference<"mutation">("who:asMutation")),
      await ctx.runAction(makeFunctionReference<"action">("who:asAction")),
    ])
  ),
});

http.route({
  path: "/indifferent",
  method: "GET",
  handler: httpAction((_ctx, request) =>
    Promise.resolve(new Response(request.headers.get("authorization")))
  ),
});

export default http;
