// A Hono app behind the router of the site, with the CORS middleware of its own, and routes with the CORS of
// convex-helpers.
import { Hono } from "hono";
import { cors } from "hono/cors";
import { HTTPException } from "hono/http-exception";
import { corsRouter } from "convex-helpers/server/cors";
import { httpActionGeneric as httpAction, httpRouter } from "convex/server";

const app = new Hono();
app.use("/hono/*", cors({ origin: "https://app.example" }));
app.get("/hono/hello/:name", (c) => c.json({ hello: c.req.param("name"), q: c.req.query("q") }));
app.post("/hono/sum", async (c) => {
  const numbers = await c.req.json<number[]>();
  return c.text(String(numbers.reduce((sum, number) => sum + number, 0)));
});
app.get("/hono/refused", () => {
  throw new HTTPException(403, { message: "not you" });
});

const http = httpRouter();
for (const method of ["GET", "POST", "OPTIONS"] as const) {
  http.route({
    pathPrefix: "/hono/",
    method,
    handler: httpAction(async (_ctx, request) => await app.fetch(request)),
  });
}

const shared = corsRouter(http, {
  allowedOrigins: ["https://app.example"],
  allowedHeaders: ["content-type", "x-own"],
  allowCredentials: true,
  enforceAllowOrigins: true,
});
shared.route({
  path: "/shared",
  method: "POST",
  handler: httpAction(async (_ctx, request) => new Response((await request.text()).toUpperCase())),
});
export default http;
