// The chat's tables. Messages are read by channel, newest first, through the index `by_channel`
// (every index ends with `_creationTime`, so messages of one channel are in time order).
import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  channels: defineTable({
    name: v.string(),
    messageCount: v.number(),
  }).index("by_name", ["name"]),

  messages: defineTable({
    channel: v.id("channels"),
    author: v.string(),
    body: v.string(),
  }).index("by_channel", ["channel"]),
});
