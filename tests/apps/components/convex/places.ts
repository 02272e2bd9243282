// @convex-dev/geospatial: points on the Earth, found by rectangle and by distance.
import { GeospatialIndex, point, rectangle } from "@convex-dev/geospatial";
import { v } from "convex/values";
import { components } from "./_generated/api";
import { mutation, query } from "./_generated/server";

const places = new GeospatialIndex<string, { category: string; open?: boolean }>(
  components.geospatial,
);

export const add = mutation({
  args: {
    name: v.string(),
    at: point,
    category: v.string(),
    open: v.optional(v.boolean()),
    price: v.number(),
  },
  handler: async (ctx, { name, at, price, ...filters }) => {
    await places.insert(ctx, name, at, filters, price);
  },
});

export const get = query({
  args: { name: v.string() },
  handler: async (ctx, { name }) => await places.get(ctx, name),
});

export const remove = mutation({
  args: { name: v.string() },
  handler: async (ctx, { name }) => await places.remove(ctx, name),
});

export const within = query({
  args: {
    rectangle,
    category: v.optional(v.string()),
    categories: v.optional(v.array(v.string())),
    prices: v.optional(v.object({ from: v.number(), below: v.number() })),
    limit: v.optional(v.number()),
    cursor: v.optional(v.string()),
  },
  handler: async (ctx, { rectangle, category, categories, prices, limit, cursor }) => {
    const { results, nextCursor } = await places.query(ctx, {
      shape: { type: "rectangle", rectangle },
      filter: (q) => {
        if (category !== undefined) q = q.eq("category", category);
        if (categories !== undefined) q = q.in("category", categories);
        if (prices !== undefined) q = q.gte("sortKey", prices.from).lt("sortKey", prices.below);
        return q;
      },
      limit,
    }, cursor);
    return { names: results.map(({ key }) => key), nextCursor };
  },
});

export const nearest = query({
  args: {
    point,
    limit: v.number(),
    maxDistance: v.optional(v.number()),
    category: v.optional(v.string()),
  },
  handler: async (ctx, { category, ...options }) => {
    const found = await places.nearest(ctx, {
      ...options,
      filter: category === undefined ? undefined : (q) => q.eq("category", category),
    });
    return found.map(({ key, distance }) => ({ name: key, distance: Math.round(distance) }));
  },
});
