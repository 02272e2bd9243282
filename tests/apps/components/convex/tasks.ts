// What workpool.ts, retrier.ts and orders.ts have done in the background: it notes each attempt and
// fails as often as asked.
import { v } from "convex/values";
import { NonRetryableError } from "@convex-dev/workpool";
import { internal } from "./_generated/api";
import { internalAction, internalMutation, type MutationCtx, query } from "./_generated/server";

const DURATION_MS = 50;

export const perform = internalAction({
  args: { task: v.string(), failures: v.number(), permanent: v.optional(v.boolean()) },
  handler: async (ctx, { task, failures, permanent = false }): Promise<string> => {
    const attempt: number = await ctx.runMutation(internal.tasks.begin, { task });
    await new Promise((resolve) => setTimeout(resolve, DURATION_MS));
    await ctx.runMutation(internal.tasks.end, { task });
    if (attempt > failures) return `${task}: attempt ${attempt}`;
    const message = `${task}: attempt ${attempt} failed`;
    throw permanent ? new NonRetryableError(message) : new Error(message);
  },
});

export const begin = internalMutation({
  args: { task: v.string() },
  handler: async (ctx, { task }) => {
    const running = await ctx.db.query("attempts")
      .withIndex("by_running", (q) => q.eq("running", true)).collect();
    await ctx.db.insert("attempts", { task, alongside: running.length, running: true });
    return (await attemptsOf(ctx, task)).length;
  },
});

export const end = internalMutation({
  args: { task: v.string() },
  handler: async (ctx, { task }) => {
    for (const { _id } of await attemptsOf(ctx, task)) await ctx.db.patch(_id, { running: false });
  },
});

/** Every attempt of a task and every outcome that its callback was told. */
export const history = query({
  args: { task: v.string() },
  handler: async (ctx, { task }) => {
    const attempts = await attemptsOf(ctx, task);
    const outcomes = await ctx.db.query("outcomes")
      .withIndex("by_task", (q) => q.eq("task", task)).collect();
    return {
      attempts: attempts.length,
      alongside: attempts.map(({ alongside }) => alongside),
      outcomes: outcomes.map(({ outcome }) => outcome),
    };
  },
});

async function attemptsOf(ctx: Pick<MutationCtx, "db">, task: string) {
  return await ctx.db.query("attempts").withIndex("by_task", (q) => q.eq("task", task)).collect();
}
