// Items in groups, for the functions that read and write; everything that jobs leave behind.
import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  items: defineTable({ group: v.string(), text: v.string() }).index("by_group", ["group"]),
});
