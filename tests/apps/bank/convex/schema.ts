// Accounts with balances, and a ledger with a row for each transfer that names itself.
import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  accounts: defineTable({ number: v.number(), balance: v.number() }).index("by_number", ["number"]),
  transfers: defineTable({ key: v.string(), from: v.number(), to: v.number(), amount: v.number() })
    .index("by_key", ["key"]),
});
