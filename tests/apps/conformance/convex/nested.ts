// Functions that call functions in their own transaction (spec function-runtime 1.5).
import {
  createFunctionHandle,
  type FunctionReference,
  makeFunctionReference,
  mutationGeneric as mutation,
  queryGeneric as query,
} from "convex/server";
import { v } from "convex/values";

type Query<Args extends Record<string, unknown>, Result> = FunctionReference<
  "query",
  "public",
  Args,
  Result
>;
const reference = <Args extends Record<string, unknown>, Result>(name: string) =>
  makeFunctionReference<"query", Args, Result>(name) as Query<Args, Result>;
const command = <Args extends Record<string, unknown>, Result>(name: string) =>
  makeFunctionReference<"mutation", Args, Result>(name);

type Text = { text: string };
const texts = reference<Record<string, never>, string[]>("nested:texts");
const add = command<Text, number>("nested:add");
const addAndFail = command<Text, null>("nested:addAndFail");
const addBadly = command<Text, string>("nested:addBadly");

let moduleState = 0;
const own = globalThis as unknown as { nestedMark?: number };

async function insert(ctx: { db: { insert(table: string, row: unknown): unknown } }, text: string) {
  await ctx.db.insert("items", { group: "nested", text });
}

export { readTexts as texts };
const readTexts = query({
  args: {},
  handler: async (ctx): Promise<string[]> => {
    const rows = await ctx.db.query("items").withIndex("by_group", (q) => q.eq("group", "nested"))
      .collect();
    return rows.map((row) => row.text as string);
  },
});

const addText = mutation({
  args: { text: v.string() },
  handler: async (ctx, { text }) => {
    await insert(ctx, text);
    own.nestedMark = (own.nestedMark ?? 0) + 1;
    return ++moduleState + own.nestedMark;
  },
});
export { addText as add };

export const addFailing = mutation({
  args: { text: v.string() },
  handler: async (ctx, { text }) => {
    await insert(ctx, text);
    await ctx.scheduler.runAfter(3_600_000, add, { text });
    throw new Error("inner failure");
  },
});
export { addFailing as addAndFail };

export const addWithBadResult = mutation({
  args: { text: v.string() },
  returns: v.string(),
  handler: async (ctx, { text }) => {
    await insert(ctx, text);
    return 1 as unknown as string;
  },
});
export { addWithBadResult as addBadly };

export const clear = mutation({
  args: {},
  handler: async (ctx) => {
    for (const row of await ctx.db.query("items").collect()) await ctx.db.delete(row._id);
  },
});

/** Callees see what is written so far; each has modules and globals of its own. */
export const sharing = mutation({
  args: {},
  handler: async (ctx) => {
    await insert(ctx, "outer");
    const first = await ctx.runMutation(add, { text: "first" });
    const second = await ctx.runMutation(add, { text: "second" });
    return { first, second, seen: await ctx.runQuery(texts, {}), mark: own.nestedMark ?? null };
  },
});

export const recovering = mutation({
  args: {},
  handler: async (ctx) => {
    const messages: string[] = [];
    const caught = (error: Error) => void messages.push(error.message.split("\n")[0]!);
    await ctx.runMutation(addAndFail, { text: "rolled back" }).catch(caught);
    await ctx.runMutation(addBadly, { text: "kept" }).catch(caught);
    return { messages, seen: await ctx.runQuery(texts, {}) };
  },
});

export const parallel = mutation({
  args: {},
  handler: async (ctx) => {
    const order = ["a", "b", "c"];
    await Promise.all(order.map((text) => ctx.runMutation(add, { text })));
    return await ctx.runQuery(texts, {});
  },
});

/** The callee's time is the caller's; its random numbers are others, drawn from the caller's. */
export const momentOf = query({
  args: { nonce: v.number() },
  handler: () => [Date.now(), Math.random()],
});
export const moments = query({
  args: { nonce: v.number() },
  handler: async (ctx, args) => {
    const callee = reference<{ nonce: number }, number[]>("nested:momentOf");
    const [first, second] = [await ctx.runQuery(callee, args), await ctx.runQuery(callee, args)];
    const now = Date.now();
    return {
      sameTime: first[0] === now && second[0] === now,
      randoms: [Math.random(), first[1], second[1]],
    };
  },
});

export const depth = query({
  args: { level: v.number() },
  handler: async (ctx, { level }): Promise<number | string> => {
    const deeper = reference<{ level: number }, number | string>("nested:depth");
    try {
      return await ctx.runQuery(deeper, { level: level + 1 });
    } catch (error) {
      if (!(error as Error).message.includes("depth limit")) throw error;
      return `${level} ${(error as Error).message}`;
    }
  },
});

const calls: Record<string, [kind: "query" | "mutation", name: string, args: object]> = {
  unknown: ["query", "nested:none", {}],
  wrongKind: ["query", "nested:add", { text: "x" }],
  badArguments: ["mutation", "nested:add", { text: 1 }],
  internal: ["query", "checks:hidden", {}],
  mutation: ["mutation", "nested:add", { text: "x" }],
};
const callArgs = { which: v.string() };
async function attempt(ctx: unknown, { which }: { which: string }): Promise<string> {
  const [kind, name, args] = calls[which]!;
  const { runQuery, runMutation } = ctx as Record<
    "runQuery" | "runMutation",
    (reference: unknown, args: object) => Promise<unknown>
  >;
  try {
    const run = kind === "query" ? runQuery : runMutation;
    return String(await run(makeFunctionReference(name), args));
  } catch (error) {
    return `! ${(error as Error).message}`;
  }
}
export const callFromMutation = mutation({ args: callArgs, handler: attempt });

/** A query has no `runMutation`; the host refuses the call all the same. */
export const mutationFromQuery = query({
  args: {},
  handler: async () => {
    const { Convex } = globalThis as unknown as {
      Convex: { asyncSyscall(op: string, args: string): Promise<string> };
    };
    const request = { udfType: "mutation", name: "nested:add", args: { text: "x" } };
    return await Convex.asyncSyscall("1.0/runUdf", JSON.stringify(request))
      .catch((error: Error) => error.message);
  },
});

/** A budget holds for its call, and is never more than what is left. */
export const budgets = mutation({
  args: {},
  handler: async (ctx) => {
    const limited = (transactionLimits: Record<string, number>) =>
      (ctx.runMutation as unknown as (
        reference: unknown,
        args: Text,
        options: { transactionLimits: Record<string, number> },
      ) => Promise<number>)(add, { text: "budget" }, { transactionLimits })
        .then(() => "done", (error: Error) => error.message.split("\n")[0]);
    return [
      await limited({ documentsWritten: 0 }),
      await limited({ bytesWritten: 10 }),
      await limited({ documentsWritten: 1, unknownKey: 0 }),
      await limited({ documentsWritten: 1_000_000 }),
    ];
  },
});

export const byHandle = mutation({
  args: {},
  handler: async (ctx) => {
    const handle = await createFunctionHandle(add);
    const again = await createFunctionHandle(add);
    await ctx.runMutation(handle, { text: "by handle" });
    const unknown = "function://unknown" as unknown as typeof handle;
    const failure = await ctx.runMutation(unknown, { text: "x" })
      .catch((error: Error) => error.message);
    return { handle, same: handle === again, failure, seen: await ctx.runQuery(texts, {}) };
  },
});

/** Reads and failed calls' schedules count; rolled back writes do not. */
export const metrics = mutation({
  args: {},
  handler: async (ctx) => {
    await ctx.runMutation(addAndFail, { text: "x" }).catch(() => {});
    await ctx.runMutation(add, { text: "y" });
    const { meta } = ctx as unknown as {
      meta: { getTransactionMetrics(): Promise<Record<string, { used: number }>> };
    };
    const found = await meta.getTransactionMetrics();
    return {
      written: found.documentsWritten!.used,
      scheduled: found.functionsScheduled!.used,
      names: Object.keys(found).toSorted(),
    };
  },
});
