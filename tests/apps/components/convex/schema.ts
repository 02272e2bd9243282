// The app's own tables, which some packages work on.
import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  // aggregate.ts
  scores: defineTable({ game: v.string(), player: v.string(), points: v.number() }),
  // migrations.ts
  members: defineTable({
    number: v.number(),
    name: v.string(),
    greeting: v.optional(v.string()),
    visits: v.optional(v.number()),
  }).index("by_number", ["number"]),
  // reminders.ts
  reminders: defineTable({ text: v.string() }),
});
