// What a developer's code must not be able to do. Each attack runs as a query and as a mutation.
import { mutationGeneric as mutation, queryGeneric as query } from "convex/server";
import { v } from "convex/values";

const attacks: Record<string, () => unknown> = {
  endlessLoop() {
    for (;;);
  },
  endlessPromises: async () => {
    for (;;) await null;
  },
  allocation() {
    const kept: number[][] = [];
    for (;;) kept.push(new Array(100_000).fill(kept.length));
  },
  arrayBuffers() {
    const kept: Uint8Array[] = [];
    for (;;) kept.push(new Uint8Array(16 * 1024 * 1024).fill(1));
  },
  neverResolves: () => new Promise(() => {}),
  deepRecursion() {
    const recurse = (n: number): number => recurse(n + 1) + 1;
    return recurse(0);
  },
  denoGlobal: () => reach("Deno").readTextFileSync("/etc/passwd"),
  // What is reachable through constructors is the realm itself, not only the module's scope.
  denoThroughConstructor: () =>
    (Object.getPrototypeOf(async () => {}).constructor)(
      "return Deno.readTextFile('/etc/passwd')",
    )(),
  evalFile: () => (0, eval)("Deno.readTextFileSync('/etc/passwd')"),
  processBinding: () => reach("process").binding("fs"),
  hostProcess: () => reach("process").exit(0),
  requireFs: () => reach("require")("node:fs").readFileSync("/etc/passwd", "utf8"),
  importFs: async () => (await dynamicImport("node:fs")).readFileSync("/etc/passwd", "utf8"),
  importFile: () => dynamicImport("file:///etc/passwd"),
  importData: () => dynamicImport("data:text/javascript,export default Deno"),
  socket: () => reach("Deno").connect({ port: 22 }),
  webSocket: () => new (reach("WebSocket"))("ws://127.0.0.1:9/"),
  worker: () => new (reach("Worker"))("data:text/javascript,1", { type: "module" }),
  fetches: () => fetch("http://127.0.0.1:9/"),
  sharedMemoryWait: () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0),
};

export const names = query({ args: {}, handler: () => Object.keys(attacks) });

export const asQuery = query({
  args: { attack: v.string() },
  handler: async (_ctx, args) => describe(await attacks[args.attack]!()),
});

export const asMutation = mutation({
  args: { attack: v.string() },
  handler: async (ctx, args) => {
    await ctx.db.insert("visits", { who: `attacker ${args.attack}` });
    return describe(await attacks[args.attack]!());
  },
});

/** Poisons what the next function would use; the realm must not keep it. */
export const poison = mutation({
  args: {},
  handler: () => {
    const target = globalThis as Record<string, unknown>;
    target.leaked = "secret";
    target.JSON = { parse: () => "poisoned", stringify: () => '"poisoned"' };
    (Array.prototype as unknown as Record<string, unknown>).leaked = "secret";
    Object.prototype.toString = () => "poisoned";
    return null;
  },
});

export const lookForPoison = query({
  args: { round: v.number() },
  handler: () => ({
    global: (globalThis as Record<string, unknown>).leaked ?? null,
    array: ([] as unknown as Record<string, unknown>).leaked ?? null,
    json: JSON.stringify([1]),
    string: String({}),
  }),
});

/** What a well-behaved client calls meanwhile. */
export const visit = mutation({
  args: { who: v.string() },
  handler: (ctx, args) => ctx.db.insert("visits", args),
});

export const visits = query({
  args: {},
  handler: async (ctx) => (await ctx.db.query("visits").collect()).map((visit) => visit.who),
});

// deno-lint-ignore no-explicit-any
function reach(name: string): any {
  return (globalThis as Record<string, unknown>)[name];
}

/** A dynamic import that the bundler leaves alone. */
// deno-lint-ignore no-explicit-any
function dynamicImport(specifier: string): Promise<any> {
  return import(specifier);
}

function describe(value: unknown): string {
  return `reached: ${String(value).slice(0, 200)}`;
}
