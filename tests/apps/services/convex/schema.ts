// Tables of the app that tests the services around functions.
import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  counts: defineTable({ n: v.number() }),
  events: defineTable({ text: v.string() }),
  files: defineTable({ storageId: v.id("_storage"), name: v.string() }).index("by_name", ["name"]),
});
