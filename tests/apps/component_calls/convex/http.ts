import { httpActionGeneric as httpAction, httpRouter } from "convex/server";

const http = httpRouter();

http.route({
  path: "/first/tree/own",
  method: "POST",
  handler: httpAction(async () => new Response("the app's own")),
});

export default http;
