// What functions that run later see of the caller.
import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  seen: defineTable({ by: v.string(), identity: v.any() }).index("by_by", ["by"]),
});
