// Rows of any shape, found through one field, two, and one inside of an object; and some of one shape.
import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  rows: defineTable(v.any())
    .index("by_value", ["value"])
    .index("by_group", ["group", "value"])
    .index("by_nested", ["nested.a.b"]),
  shaped: defineTable({
    text: v.string(),
    point: v.optional(v.object({ x: v.number() })),
    choice: v.optional(v.union(v.literal("a"), v.literal(1))),
    once: v.optional(v.literal(true)),
    row: v.optional(v.id("rows")),
    sizes: v.optional(v.record(v.string(), v.number())),
    list: v.optional(v.array(v.int64())),
  }),
});
