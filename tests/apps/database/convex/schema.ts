// Rows of any shape, found through one field, two, and one inside of an object.
import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  rows: defineTable(v.any())
    .index("by_value", ["value"])
    .index("by_group", ["group", "value"])
    .index("by_nested", ["nested.a.b"]),
});
