// Items and carts. Stock is taken when an item goes into a cart, and given back when it leaves it,
// in one transaction each: however many shoppers race for the last piece, one gets it.
import { ConvexError, v } from "convex/values";
import { internalMutation, mutation, query } from "./_generated/server";
import type { MutationCtx } from "./_generated/server";
import type { Doc, Id } from "./_generated/dataModel";

const ITEMS_SHOWN_MAX = 100;

/** The items that are in stock, fewest left first. */
export const available = query({
  args: {},
  handler: (ctx) =>
    ctx.db
      .query("items")
      .withIndex("remaining", (q) => q.gt("remaining", 0))
      .take(ITEMS_SHOWN_MAX),
});

/** The lines of a shopper's cart with the items they refer to, and the total price. */
export const cart = query({
  args: { shopper: v.string() },
  handler: async (ctx, args) => {
    const rows = await ctx.db
      .query("carts")
      .withIndex("by_shopper", (q) => q.eq("shopper", args.shopper))
      .collect();
    const lines: { item: Doc<"items">; quantity: number }[] = [];
    for (const row of rows) {
      const item = await ctx.db.get(row.item);
      if (item !== null) lines.push({ item, quantity: row.quantity });
    }
    const total = lines.reduce((sum, line) => sum + line.item.price * line.quantity, 0);
    return { lines, total };
  },
});

/** Moves one piece of an item from the stock into the shopper's cart. */
export const addToCart = mutation({
  args: { shopper: v.string(), item: v.id("items") },
  returns: v.null(),
  handler: async (ctx, args) => {
    const item = await ctx.db.get(args.item);
    if (item === null) throw new ConvexError({ code: "NoSuchItem" });
    if (item.remaining <= 0) throw new ConvexError({ code: "OutOfStock", item: item.name });
    await ctx.db.patch(item._id, { remaining: item.remaining - 1 });
    const line = await cartLine(ctx, args.shopper, item._id);
    if (line === null) {
      await ctx.db.insert("carts", { shopper: args.shopper, item: item._id, quantity: 1 });
    } else {
      await ctx.db.patch(line._id, { quantity: line.quantity + 1 });
    }
    return null;
  },
});

/** Puts one piece of an item from the shopper's cart back into the stock. */
export const removeFromCart = mutation({
  args: { shopper: v.string(), item: v.id("items") },
  returns: v.null(),
  handler: async (ctx, args) => {
    const line = await cartLine(ctx, args.shopper, args.item);
    if (line === null) throw new ConvexError({ code: "NotInCart" });
    if (line.quantity === 1) await ctx.db.delete(line._id);
    else await ctx.db.patch(line._id, { quantity: line.quantity - 1 });
    const item = await ctx.db.get(args.item);
    if (item !== null) await ctx.db.patch(item._id, { remaining: item.remaining + 1 });
    return null;
  },
});

/** Fills the shelves: `npx convex run store:restock '{"name":"Teapot","price":20,"quantity":5}'`. */
export const restock = internalMutation({
  args: { name: v.string(), price: v.number(), quantity: v.number() },
  returns: v.id("items"),
  handler: (ctx, args) =>
    ctx.db.insert("items", { name: args.name, price: args.price, remaining: args.quantity }),
});

function cartLine(
  ctx: MutationCtx,
  shopper: string,
  item: Id<"items">,
): Promise<Doc<"carts"> | null> {
  return ctx.db
    .query("carts")
    .withIndex("by_shopper", (q) => q.eq("shopper", shopper).eq("item", item))
    .unique();
}
