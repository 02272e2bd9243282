// The routes of the packages that have some.
import { httpRouter } from "convex/server";
import { authComponent, createAuth } from "./auth";
import { answer } from "./chat";
import { webhook } from "./emails";

const http = httpRouter();
http.route({ path: "/chat-stream", method: "POST", handler: answer });
http.route({ path: "/resend-webhook", method: "POST", handler: webhook });
authComponent.registerRoutes(http, createAuth);
export default http;
