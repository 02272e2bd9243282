// What functions that run later see of the caller, and what users keep.
import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  seen: defineTable({ by: v.string(), identity: v.any() }).index("by_by", ["by"]),
  notes: defineTable({ owner: v.string(), text: v.string() }).index("by_owner", ["owner"]),
});
