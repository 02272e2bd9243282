// @convex-dev/aggregate: counts, sums and ranks of a table by game, and of values without a table.
import { DirectAggregate, TableAggregate } from "@convex-dev/aggregate";
import { v } from "convex/values";
import { components } from "./_generated/api";
import type { DataModel } from "./_generated/dataModel";
import { mutation, query } from "./_generated/server";

const scores = new TableAggregate<{
  Namespace: string;
  Key: number;
  DataModel: DataModel;
  TableName: "scores";
}>(components.aggregate, {
  namespace: (score) => score.game,
  sortKey: (score) => score.points,
  sumValue: (score) => score.points,
});
const durations = new DirectAggregate<{ Namespace: string; Key: [string, number]; Id: string }>(
  components.aggregate,
);
const DURATIONS = "durations";

export const add = mutation({
  args: { game: v.string(), player: v.string(), points: v.number() },
  handler: async (ctx, score) => {
    const id = await ctx.db.insert("scores", score);
    await scores.insert(ctx, (await ctx.db.get(id))!);
    return id;
  },
});

export const change = mutation({
  args: { id: v.id("scores"), points: v.number() },
  handler: async (ctx, { id, points }) => {
    const old = (await ctx.db.get(id))!;
    await ctx.db.patch(id, { points });
    await scores.replace(ctx, old, (await ctx.db.get(id))!);
  },
});

export const remove = mutation({
  args: { id: v.id("scores") },
  handler: async (ctx, { id }) => {
    const old = (await ctx.db.get(id))!;
    await ctx.db.delete(id);
    await scores.delete(ctx, old);
  },
});

/** Inserts a score whose document is already counted, so the component refuses. */
export const countTwice = mutation({
  args: { id: v.id("scores") },
  handler: async (ctx, { id }) => {
    const score = (await ctx.db.get(id))!;
    await ctx.db.insert("scores", { game: score.game, player: "nobody", points: -1 });
    await scores.insert(ctx, score);
  },
});

export const summary = query({
  args: { game: v.string() },
  handler: async (ctx, { game }) => {
    const namespace = game;
    const count = await scores.count(ctx, { namespace });
    return {
      count,
      sum: await scores.sum(ctx, { namespace }),
      least: (await scores.min(ctx, { namespace }))?.key ?? null,
      greatest: (await scores.max(ctx, { namespace }))?.key ?? null,
      median: count === 0 ? null : (await scores.at(ctx, Math.floor(count / 2), { namespace })).key,
    };
  },
});

export const countAbove = query({
  args: { game: v.string(), points: v.number() },
  handler: async (ctx, { game, points }) =>
    await scores.count(ctx, {
      namespace: game,
      bounds: { lower: { key: points, inclusive: false } },
    }),
});

/** How many scores of the game are greater. */
export const rank = query({
  args: { game: v.string(), points: v.number() },
  handler: async (ctx, { game, points }) =>
    await scores.indexOf(ctx, points, { namespace: game, order: "desc" }),
});

/** A page by its offset, best score first. */
export const page = query({
  args: { game: v.string(), offset: v.number(), size: v.number() },
  handler: async (ctx, { game, offset, size }) => {
    const namespace = game;
    const { key } = await scores.at(ctx, -1 - offset, { namespace });
    const { page } = await scores.paginate(ctx, {
      namespace,
      bounds: { upper: { key, inclusive: true } },
      order: "desc",
      pageSize: size,
    });
    return await Promise.all(page.map(async ({ id }) => (await ctx.db.get(id))!.player));
  },
});

export const all = query({
  args: { game: v.string() },
  handler: async (ctx, { game }) => {
    const keys: number[] = [];
    for await (const { key } of scores.iter(ctx, { namespace: game, pageSize: 7 })) keys.push(key);
    return keys;
  },
});

export const clear = mutation({
  args: { game: v.string() },
  handler: async (ctx, { game }) => await scores.clear(ctx, { namespace: game }),
});

/** Writes that are async wait in the component's queue. */
export const report = mutation({
  args: { task: v.string(), durationMs: v.number(), id: v.string(), async: v.boolean() },
  handler: async (ctx, { task, durationMs, id, async }) => {
    const key: [string, number] = [task, durationMs];
    const item = { namespace: DURATIONS, key, id, sumValue: durationMs };
    await durations.insert(ctx, item, { async });
  },
});

export const longest = query({
  args: { task: v.string() },
  handler: async (ctx, { task }) => {
    const of = { namespace: DURATIONS, bounds: { prefix: [task] as [string] }, stale: true };
    const item = await durations.max(ctx, of);
    return { key: item?.key ?? null, total: await durations.sum(ctx, of) };
  },
});
