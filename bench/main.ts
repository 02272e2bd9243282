// `deno task bench [--only NAME]… [--json]`: measures the server and checks the floors it promises.
// Exits with 1 when a floor is missed, with 2 when it is called wrongly.
import { Environment } from "./environment.ts";
import { missesFloor, printTable, type Row, toJson } from "./report.ts";
import { database } from "./scenarios/database.ts";
import { componentPush } from "./scenarios/component_push.ts";
import { componentCalls } from "./scenarios/component_calls.ts";
import { fanOut } from "./scenarios/fan_out.ts";
import { files } from "./scenarios/files.ts";
import {
  functionOverhead,
  mutationInFlood,
  parallelQueries,
  queryInFlood,
} from "./scenarios/functions.ts";
import { httpActions } from "./scenarios/http_actions.ts";
import { memoryAfter } from "./scenarios/memory.ts";
import { pipelined } from "./scenarios/pipelined.ts";
import { queries } from "./scenarios/queries.ts";
import { scheduled } from "./scenarios/scheduled.ts";
import { start } from "./scenarios/start.ts";
import { transfer } from "./scenarios/transfer.ts";
import { unrelatedSubscriptions } from "./scenarios/unrelated_subscriptions.ts";

const SCENARIOS: Readonly<Record<string, (environment: Environment) => Promise<Row[]>>> = {
  start,
  transfer,
  pipelined,
  queries,
  database,
  fan_out: fanOut,
  unrelated_subscriptions: unrelatedSubscriptions,
  scheduled,
  component_push: componentPush,
  component_calls: componentCalls,
  http_actions: httpActions,
  function_overhead: functionOverhead,
  parallel_queries: parallelQueries,
  mutation_in_flood: mutationInFlood,
  query_in_flood: queryInFlood,
  files,
  memory: memoryAfter,
};

function parseArguments(args: readonly string[]): { names: string[]; json: boolean } {
  const names: string[] = [];
  let json = false;
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!;
    if (arg === "--json") json = true;
    else if (arg === "--only" && args[i + 1] !== undefined) names.push(args[++i]!);
    else fail(`unknown argument ${arg}`);
  }
  for (const name of names) if (!(name in SCENARIOS)) fail(`unknown benchmark ${name}`);
  return { names: names.length > 0 ? names : Object.keys(SCENARIOS), json };
}

function fail(reason: string): never {
  console.error(`${reason}; usage: deno task bench [--only NAME]… [--json]`);
  console.error(`benchmarks: ${Object.keys(SCENARIOS).join(", ")}`);
  Deno.exit(2);
}

const { names, json } = parseArguments(Deno.args);
const rows: Row[] = [];
{
  await using environment = new Environment();
  for (const name of names) {
    console.error(`running ${name}…`);
    const measured = await SCENARIOS[name]!(environment);
    rows.push(...measured);
    if (json) { for (const row of measured) console.log(toJson(row)); }
  }
}
if (!json) printTable(rows);
Deno.exit(rows.some(missesFloor) ? 1 : 0);
