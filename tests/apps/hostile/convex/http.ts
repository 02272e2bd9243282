// The attacks as HTTP actions.
import { httpActionGeneric as httpAction, httpRouter } from "convex/server";
import { attempt } from "./attacks.ts";

const http = httpRouter();
http.route({
  path: "/attack",
  method: "POST",
  handler: httpAction(async (_ctx, request) =>
    new Response(String(await attempt(await request.text())))
  ),
});
export default http;
