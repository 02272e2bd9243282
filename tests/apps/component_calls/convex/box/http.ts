// Routes of a box, at the path where it is mounted.
import { httpActionGeneric as httpAction, httpRouter, makeFunctionReference } from "convex/server";

const http = httpRouter();

http.route({
  path: "/describe",
  method: "GET",
  handler: httpAction(async (ctx, request) =>
    Response.json({
      url: new URL(request.url).pathname,
      where: await ctx.runQuery(makeFunctionReference<"query">("notes:where")),
      user: (await ctx.auth.getUserIdentity())?.subject ?? null,
    })
  ),
});

http.route({
  pathPrefix: "/tree/",
  method: "POST",
  handler: httpAction(async (ctx, request) => {
    const text = await request.text();
    await ctx.runMutation(makeFunctionReference<"mutation">("notes:addInternally"), { text });
    return new Response(`kept ${text}`);
  }),
});

export default http;
