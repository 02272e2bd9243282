// Routes with rules: one method, one path, one prefix.
import { httpActionGeneric as httpAction, httpRouter } from "convex/server";

const http = httpRouter();
const answer = (text: string) => httpAction(() => Promise.resolve(new Response(text)));
http.route({ path: "/exact", method: "POST", handler: answer("exact") });
http.route({ pathPrefix: "/under/", method: "GET", handler: answer("under") });
export default http;
