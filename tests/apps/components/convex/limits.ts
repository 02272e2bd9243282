// @convex-dev/rate-limiter: a token bucket per user.
import { RateLimiter } from "@convex-dev/rate-limiter";
import { v } from "convex/values";
import { components } from "./_generated/api";
import { mutation, query } from "./_generated/server";

const HOUR_MS = 60 * 60 * 1000;
const limiter = new RateLimiter(components.rateLimiter, {
  messages: { kind: "token bucket", rate: 2, period: HOUR_MS, capacity: 3 },
});

export const send = mutation({
  args: { user: v.string(), count: v.optional(v.number()) },
  handler: async (ctx, { user, count }) => {
    const { ok, retryAfter } = await limiter.limit(ctx, "messages", { key: user, count });
    return { ok, waits: retryAfter !== undefined };
  },
});

export const sendOrThrow = mutation({
  args: { user: v.string() },
  handler: async (ctx, { user }) => {
    await limiter.limit(ctx, "messages", { key: user, throws: true });
  },
});

export const left = query({
  args: { user: v.string() },
  handler: async (ctx, { user }) => {
    const { value } = await limiter.getValue(ctx, "messages", { key: user });
    return Math.round(value);
  },
});

export const reset = mutation({
  args: { user: v.string() },
  handler: async (ctx, { user }) => await limiter.reset(ctx, "messages", { key: user }),
});
