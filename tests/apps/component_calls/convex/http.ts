// The app's own route, below the mount of a component.
import { httpActionGeneric as httpAction, httpRouter } from "convex/server";

const http = httpRouter();

http.route({
  path: "/first/tree/own",
  method: "POST",
  handler: httpAction(() => Promise.resolve(new Response("the app's own"))),
});

export default http;
