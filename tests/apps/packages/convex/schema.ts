// Users and their posts, with a count of posts that triggers keep.
import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  users: defineTable({ name: v.string() }),
  posts: defineTable({ author: v.id("users"), title: v.string(), secret: v.boolean() })
    .index("author", ["author"]),
  counts: defineTable({ author: v.id("users"), posts: v.number() }).index("author", ["author"]),
});
