// What scheduled functions did, and pages that actions asked for.
import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  marks: defineTable({ key: v.string(), at: v.number() }).index("by_key", ["key"]),
});
