// Which component answers a request to the site (spec components 11): from the app down through the
// mounts, as long as one is the better match. The router of that component's `http.js` then chooses
// among its own routes.

import { listComponents, ROOT_COMPONENT } from "../engine/components.ts";
import type { Engine } from "../engine/engine.ts";
import { SYSTEM_TABLES, systemIndexId } from "../engine/system_tables.ts";
import type { Transaction } from "../engine/transaction.ts";
import type { ComponentId, IndexId } from "../engine/types.ts";
import { withoutUser } from "../runtime/action_syscalls.ts";
import type { ModuleAnalysis } from "../runtime/frames.ts";
import type { FunctionCall, HttpExchange } from "../runtime/types.ts";
import { readDefinition } from "./app_definition.ts";

const HTTP_MODULE = "http.js";

/** Commits that touch one of these make another table. */
const DEPENDENCIES: readonly IndexId[] = [
  systemIndexId(SYSTEM_TABLES.modules.number, 0),
  systemIndexId(SYSTEM_TABLES.components.number, 0),
  systemIndexId(SYSTEM_TABLES.componentDefinitions.number, 0),
];

/** The component whose `http.js` answers the request; if it has none, nobody does. */
export interface RoutedRequest {
  readonly component: ComponentId;
  /** The path that its router sees; null if none of its routes can match. */
  readonly path: string | null;
}

/** One component's part in routing. */
export interface RoutingNode {
  readonly component: ComponentId;
  /** Stripped before its own routes are looked at; of the app alone, with both slashes. */
  readonly httpPrefix: string | null;
  /** Null: it has no `http.js`. */
  readonly routes: readonly { readonly path: string; readonly method: string }[] | null;
  readonly mounts: readonly (readonly [prefix: string, child: RoutingNode])[];
}

/** Follows mounts from `node` down. `method` is the one of the route: HEAD is routed as GET. */
export function routeRequest(node: RoutingNode, method: string, path: string): RoutedRequest {
  const { component, routes, mounts, httpPrefix } = node;
  const ownPath = httpPrefix === null ? path : afterPrefix(path, httpPrefix);
  const own = { component, path: ownPath };
  if (mounts.length === 0) return own;
  let longestOwn = -1;
  if (routes !== null && ownPath !== null) {
    for (const route of routes) {
      if (route.method !== method) continue;
      if (route.path === ownPath) return own;
      if (!route.path.endsWith("/*")) continue;
      const prefix = route.path.slice(0, -1);
      if (ownPath.startsWith(prefix)) longestOwn = Math.max(longestOwn, prefix.length);
    }
  }
  let best: readonly [prefix: string, child: RoutingNode] | null = null;
  for (const mount of mounts) {
    if (path.startsWith(mount[0]) && mount[0].length >= (best?.[0].length ?? longestOwn)) {
      best = mount;
    }
  }
  return best === null ? own : routeRequest(best[1], method, afterPrefix(path, best[0])!);
}

/** The rest of the path, which starts with a slash again; null if the path is not below the prefix. */
function afterPrefix(path: string, prefix: string): string | null {
  return path.startsWith(prefix) ? path.slice(prefix.length - 1) : null;
}

/** The routes of the running deployment, read again after each push. */
export class HttpRouting {
  #root: RoutingNode | null = null;
  readonly #engine: Engine;

  constructor(engine: Engine) {
    this.#engine = engine;
    engine.onCommit(({ keys }) => {
      if (DEPENDENCIES.some((index) => keys.has(index))) this.#root = null;
    });
  }

  /** The call of the app's `http.js`, and the exchange, as the component that answers sees them. */
  route(call: FunctionCall, exchange: HttpExchange): [FunctionCall, HttpExchange] {
    const { request } = exchange;
    const method = request.method === "HEAD" ? "GET" : request.method;
    this.#root ??= this.#engine.read(readRouting).value;
    const { component, path } = routeRequest(this.#root, method, request.path ?? "/");
    if (component === ROOT_COMPONENT) return [call, { ...exchange, request: { ...request, path } }];
    const { context } = call;
    const routedCall: FunctionCall = {
      ...call,
      path: { ...call.path, component },
      context: { ...context, identity: withoutUser(context.identity) },
    };
    // Nobody is signed in in a component, so nobody can be badly signed in either.
    return [routedCall, { ...exchange, request: { ...request, path, authError: null } }];
  }
}

function readRouting(tx: Transaction): RoutingNode {
  const components = listComponents(tx).filter(({ state }) => state === "active");
  const app = readDefinition(tx);
  const nodeOf = (
    component: ComponentId,
    mounts: readonly (readonly [prefix: string, childName: string])[],
    httpPrefix: string | null,
  ): RoutingNode => ({
    component,
    httpPrefix,
    routes: routesOf(tx, component),
    mounts: mounts.flatMap(([prefix, childName]) => {
      const child = components.find(({ parent, name }) =>
        parent === component && name === childName
      );
      return child === undefined ? [] : [[prefix, nodeOf(child._id, child.mounts, null)] as const];
    }),
  });
  return nodeOf(ROOT_COMPONENT, app?.mounts ?? [], app?.httpPrefix ?? null);
}

function routesOf(tx: Transaction, component: ComponentId): RoutingNode["routes"] {
  const row = tx.table("modules").first("by_path", [component, HTTP_MODULE]);
  if (row === null) return null;
  const analysis = typeof row.analysis === "string"
    ? JSON.parse(row.analysis) as ModuleAnalysis
    : null;
  return (analysis?.httpRoutes ?? []).map(({ route }) => route);
}
