// Lists that only grow and registers that are overwritten: what was read of them tells which
// transactions came before.
import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  lists: defineTable({ key: v.number(), values: v.array(v.number()) }).index("by_key", ["key"]),
  registers: defineTable({ key: v.number(), value: v.number() }).index("by_key", ["key"]),
});
