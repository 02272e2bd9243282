// What a transaction writes whole or not at all, and a table that is large enough to be indexed for
// a while.
import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  halves: defineTable({
    round: v.number(),
    key: v.string(),
    half: v.union(v.literal("a"), v.literal("b")),
    payload: v.string(),
  }).index("by_round", ["round"]),
  totals: defineTable({ round: v.number(), pairs: v.number() }).index("by_round", ["round"]),
  bulk: defineTable({ n: v.number(), text: v.string() }),
});
