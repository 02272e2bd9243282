// Money moves between accounts: the crash test and the benchmark run these functions.
import { type GenericMutationCtx, mutationGeneric, queryGeneric } from "convex/server";
import type { DataModelFromSchemaDefinition, MutationBuilder, QueryBuilder } from "convex/server";
import { v } from "convex/values";
import type schema from "./schema.ts";

type DataModel = DataModelFromSchemaDefinition<typeof schema>;
const query: QueryBuilder<DataModel, "public"> = queryGeneric;
const mutation: MutationBuilder<DataModel, "public"> = mutationGeneric;

/** Opens `count` accounts numbered from `first`; returns their ids in order. */
export const open = mutation({
  args: { first: v.number(), count: v.number(), balance: v.number() },
  handler: async (ctx, args) => {
    const ids: string[] = [];
    for (let number = args.first; number < args.first + args.count; number++) {
      ids.push(await ctx.db.insert("accounts", { number, balance: args.balance }));
    }
    return ids;
  },
});

/** The benchmark's transfer: two reads, two writes. */
export const transfer = mutation({
  args: { from: v.id("accounts"), to: v.id("accounts"), amount: v.number() },
  handler: async (ctx, args) => {
    const from = await ctx.db.get(args.from);
    const to = await ctx.db.get(args.to);
    if (from === null || to === null) throw new Error("no such account");
    await ctx.db.patch(from._id, { balance: from.balance - args.amount });
    if (from._id === to._id) return null;
    await ctx.db.patch(to._id, { balance: to.balance + args.amount });
    return null;
  },
});

/** The crash test's transfer: it finds accounts by number and leaves a row in the ledger. */
export const transferRecorded = mutation({
  args: { key: v.string(), from: v.number(), to: v.number(), amount: v.number() },
  handler: async (ctx, args) => {
    const from = await accountByNumber(ctx, args.from);
    const to = await accountByNumber(ctx, args.to);
    await ctx.db.patch(from._id, { balance: from.balance - args.amount });
    await ctx.db.patch(to._id, { balance: to.balance + args.amount });
    await ctx.db.insert("transfers", args);
    return args.key;
  },
});

export const balance = query({
  args: { account: v.id("accounts") },
  handler: async (ctx, args) => (await ctx.db.get(args.account))?.balance ?? null,
});

/** The same with one more argument, so that a caller can ask what nobody asked before. */
export const balanceAt = query({
  args: { account: v.id("accounts"), nonce: v.number() },
  handler: async (ctx, args) => (await ctx.db.get(args.account))?.balance ?? null,
});

export const balances = query({
  args: {},
  handler: async (ctx) => {
    const accounts = await ctx.db.query("accounts").withIndex("by_number").collect();
    return accounts.map((account) => ({ number: account.number, balance: account.balance }));
  },
});

/** A page of the ledger, for a test that reads all of it. */
export const ledger = query({
  args: { cursor: v.union(v.string(), v.null()) },
  handler: async (ctx, args) => {
    const result = await ctx.db.query("transfers").withIndex("by_key").paginate({
      cursor: args.cursor,
      numItems: 2000,
    });
    return {
      rows: result.page.map(({ key, from, to, amount }) => ({ key, from, to, amount })),
      cursor: result.isDone ? null : result.continueCursor,
    };
  },
});

async function accountByNumber(ctx: GenericMutationCtx<DataModel>, number: number) {
  const account = await ctx.db
    .query("accounts")
    .withIndex("by_number", (q) => q.eq("number", number))
    .unique();
  if (account === null) throw new Error(`no account ${number}`);
  return account;
}
