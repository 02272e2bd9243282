// @convex-dev/workflow: an order that is priced, booked after a while, and shipped when it is paid.
import {
  cancel as cancelWorkflow,
  getStatus,
  sendEvent,
  start,
  vResultValidator,
  vWorkflowId,
  WorkflowManager,
} from "@convex-dev/workflow";
import { v } from "convex/values";
import { components, internal } from "./_generated/api";
import { internalMutation, mutation, query } from "./_generated/server";

const workflow = new WorkflowManager(components.workflow);
const payment = v.object({ amount: v.number() });

export const fulfil = workflow
  .define({ args: { order: v.string(), bookAfterMs: v.number() }, returns: v.string() })
  .handler(async (step, { order, bookAfterMs }): Promise<string> => {
    const priced = await step.runAction(internal.tasks.perform, {
      task: `${order} price`,
      failures: 0,
    });
    const booked = await step.runMutation(internal.orders.book, { order }, {
      runAfter: bookAfterMs,
    });
    const { amount } = await step.awaitEvent({ name: "paid", validator: payment });
    const shipped = await step.runAction(internal.tasks.perform, {
      task: `${order} ship`,
      failures: 1,
    }, { retry: { maxAttempts: 3, initialBackoffMs: 10, base: 2 } });
    return [priced, booked, `paid ${amount}`, shipped].join("; ");
  });

export const place = mutation({
  args: { order: v.string(), bookAfterMs: v.number() },
  handler: async (ctx, args): Promise<string> =>
    await start(ctx, internal.orders.fulfil, args, {
      onComplete: internal.orders.completed,
      context: { order: args.order },
    }),
});

export const book = internalMutation({
  args: { order: v.string() },
  handler: async (ctx, { order }): Promise<string> => {
    await ctx.runMutation(internal.tasks.begin, { task: `${order} book` });
    await ctx.runMutation(internal.tasks.end, { task: `${order} book` });
    return `booked ${order}`;
  },
});

export const pay = mutation({
  args: { id: vWorkflowId, amount: v.number() },
  handler: async (ctx, { id, amount }) => {
    await sendEvent(ctx, components.workflow, {
      workflowId: id,
      name: "paid",
      validator: payment,
      value: { amount },
    });
  },
});

export const completed = internalMutation({
  args: {
    workflowId: vWorkflowId,
    result: vResultValidator,
    context: v.object({ order: v.string() }),
  },
  handler: async (ctx, { result, context: { order } }) => {
    await ctx.db.insert("outcomes", { task: order, outcome: result });
  },
});

export const status = query({
  args: { id: vWorkflowId },
  handler: async (ctx, { id }) => await getStatus(ctx, components.workflow, id),
});

export const cancel = mutation({
  args: { id: vWorkflowId },
  handler: async (ctx, { id }) => await cancelWorkflow(ctx, components.workflow, id),
});
