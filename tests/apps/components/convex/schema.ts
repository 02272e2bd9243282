// The app's own tables, which some packages work on.
import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  // assistant.ts
  larder: defineTable({ item: v.string(), count: v.number() }).index("by_item", ["item"]),
  proceeding: defineTable({ threadId: v.string() }).index("by_thread", ["threadId"]),
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
  // tasks.ts
  attempts: defineTable({ task: v.string(), alongside: v.number(), running: v.boolean() })
    .index("by_task", ["task"]).index("by_running", ["running"]),
  outcomes: defineTable({ task: v.string(), outcome: v.any() }).index("by_task", ["task"]),
  // chat.ts
  readers: defineTable({ stream: v.string(), tokens: v.number() }).index("by_stream", ["stream"]),
});
