// What the platform's CLI asks for and this server cannot do yet: a refusal that the CLI shows at once,
// where it would ask for an unknown path again and again for half a minute.

import { userError } from "../engine/errors.ts";
import type { Routes } from "./routes.ts";

export function addUnbuiltRoutes(routes: Routes): void {
  routes.add("POST", "/api/export/request/*", () => {
    throw userError("ExportUnavailable", "This server cannot export data yet.");
  });
  routes.add("POST", "/api/import/start_upload", () => {
    throw userError("ImportUnavailable", "This server cannot import data yet.");
  });
}
