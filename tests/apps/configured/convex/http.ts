// One route.
import { httpActionGeneric as httpAction, httpRouter } from "convex/server";

const http = httpRouter();
http.route({
  path: "/hello",
  method: "GET",
  handler: httpAction(() => Promise.resolve(new Response(process.env.GREETING ?? "hello"))),
});
export default http;

declare const process: { env: Record<string, string | undefined> };
