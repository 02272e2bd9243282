// One table for the function that other clients use while hostile ones run.
import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({ visits: defineTable({ who: v.string() }) });
