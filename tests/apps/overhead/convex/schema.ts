// Tables of the benchmark of function calls.
import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({ notes: defineTable({ nonce: v.number() }) });
