// Tables for the client tests: values of every type, counters, and numbered notes.
import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  counters: defineTable({ name: v.string(), value: v.number() }).index("by_name", ["name"]),
  notes: defineTable({ list: v.string(), position: v.number(), text: v.string() })
    .index("by_list", ["list", "position"]),
  values: defineTable({ value: v.any() }),
});
