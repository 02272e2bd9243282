// The benchmark's HTTP action: it answers, and nothing in its modules keeps instances from being shared.
import { httpActionGeneric as httpAction, httpRouter } from "convex/server";

const http = httpRouter();

http.route({
  path: "/ok",
  method: "POST",
  handler: httpAction(() => Promise.resolve(new Response('{"status":"success"}'))),
});

export default http;
