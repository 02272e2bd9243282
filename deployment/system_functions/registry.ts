// The system functions by path. Only administrators reach them; the runtime checks that.

import type { Transaction } from "../../engine/transaction.ts";
import type { ComponentId } from "../../engine/types.ts";
import type { Json } from "../../engine/values/value.ts";
import type { SystemFunction, SystemFunctions } from "../../runtime/system_functions.ts";
import type { SystemVariables } from "../canonical_urls.ts";
import { componentWithId } from "../component_admin.ts";
import { listCronJobRuns, listCronJobs } from "./cron_jobs.ts";
import { listDeploymentEvents } from "./deployment_events.ts";
import {
  cloudUrl,
  getEnvironmentVariable,
  listEnvironmentVariables,
} from "./environment_variables.ts";
import { getSchemas, installedComponents } from "./frontend.ts";
import { apiSpec } from "./modules.ts";
import { getImport, latestExport, listImports } from "./snapshots.ts";
import type { SystemQuery } from "./system_function.ts";
import { listTables, tableData, tableSize, watchTable } from "./tables.ts";

const SYSTEM_QUERIES: ReadonlyMap<string, SystemQuery> = new Map([
  ["_system/cli/convexUrl.js:cloudUrl", cloudUrl],
  ["_system/cli/exports.js:getLatest", latestExport],
  ["_system/cli/modules.js:apiSpec", apiSpec],
  ["_system/cli/queryEnvironmentVariables.js:default", listEnvironmentVariables],
  ["_system/cli/queryEnvironmentVariables.js:get", getEnvironmentVariable],
  ["_system/cli/queryImport.js:default", getImport],
  ["_system/cli/queryImport.js:list", listImports],
  ["_system/cli/queryTable.js:default", watchTable],
  ["_system/cli/tableData.js:default", tableData],
  ["_system/cli/tables.js:default", listTables],
  ["_system/cli/tableSize.js:default", tableSize],
  ["_system/frontend/components.js:list", installedComponents],
  ["_system/frontend/getSchemas.js:default", getSchemas],
  ["_system/frontend/listCronJobRuns.js:default", listCronJobRuns],
  ["_system/frontend/listCronJobs.js:default", listCronJobs],
  ["_system/frontend/listDeploymentEventsFromTime.js:default", listDeploymentEvents],
]);

/** The system functions of a deployment with these configured origins. */
export function systemFunctions(origins: SystemVariables): SystemFunctions {
  return {
    find(module, name) {
      const query = SYSTEM_QUERIES.get(`${module}:${name}`);
      if (query === undefined) return null;
      const run: SystemFunction["run"] = (tx, args, { component: addressed }) =>
        query(args, { tx, component: componentOf(tx, args) ?? addressed, origins });
      return { kind: "query", run };
    },
  };
}

/**
 * The component that the arguments name by its id, as the dashboard does; null if they do not.
 * @throws PlatformError `ComponentNotFound`
 */
function componentOf(tx: Transaction, args: Json): ComponentId | null {
  if (typeof args !== "object" || args === null || Array.isArray(args)) return null;
  return typeof args.componentId === "string" ? componentWithId(tx, args.componentId) : null;
}
