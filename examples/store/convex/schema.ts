// A shop whose items have limited stock. The index `remaining` finds what can still be bought.
import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  items: defineTable({
    name: v.string(),
    price: v.number(),
    remaining: v.number(),
  }).index("remaining", ["remaining"]),

  carts: defineTable({
    shopper: v.string(),
    item: v.id("items"),
    quantity: v.number(),
  }).index("by_shopper", ["shopper", "item"]),
});
