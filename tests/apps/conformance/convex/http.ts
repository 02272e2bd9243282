// HTTP actions that fail and that answer (spec function-runtime 3.4, 5).
import { httpActionGeneric as httpAction, httpRouter, makeFunctionReference } from "convex/server";
import { ConvexError } from "convex/values";

const http = httpRouter();

http.route({
  path: "/fail",
  method: "POST",
  handler: httpAction(async (ctx, request) => {
    const { how, through } = await request.json();
    if (through === "mutation") {
      const name = makeFunctionReference<"mutation", { how: string }, null>("failures:inMutation");
      await ctx.runMutation(name, { how });
    }
    throw how === "data" ? new ConvexError({ code: "TooMuch", limit: 3n }) : new Error("boom");
  }),
});

http.route({
  path: "/notAResponse",
  method: "GET",
  handler: httpAction((() => Promise.resolve({ status: 200 })) as never),
});

http.route({
  path: "/hungry",
  method: "POST",
  handler: httpAction(async (_ctx, request) => {
    await request.text();
    const kept: number[][] = [];
    for (;;) kept.push(new Array(10_000).fill(Math.random()));
  }),
});

http.route({
  path: "/large",
  method: "GET",
  handler: httpAction((_ctx, request) => {
    const bytes = Number(new URL(request.url).searchParams.get("bytes"));
    return Promise.resolve(new Response("x".repeat(bytes)));
  }),
});

export default http;
