// Serves what an issuer publishes, at this very deployment.
import { httpRouter } from "convex/server";
import { auth } from "./auth.ts";

const http = httpRouter();
auth.addHttpRoutes(http);
export default http;
