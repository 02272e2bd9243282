// The app's tables; `notes` is as in a box, so that the benchmark compares the same work.
import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  notes: defineTable({ text: v.string() }).index("by_text", ["text"]),
  kept: defineTable({ text: v.string() }),
});
