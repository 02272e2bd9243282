// @convex-dev/resend: emails that are queued in a mutation, sent in batches, and followed by webhook.
import { type EmailId, Resend, vEmailId, vOnEmailEventArgs } from "@convex-dev/resend";
import { v } from "convex/values";
import { components, internal } from "./_generated/api";
import { httpAction, internalMutation, mutation, query } from "./_generated/server";

const FROM = "Concave <test@example.com>";

const resend: Resend = new Resend(components.resend, {
  initialBackoffMs: 10,
  onEmailEvent: internal.emails.happened,
});

const email = v.object({
  to: v.string(),
  subject: v.string(),
  idempotencyKey: v.optional(v.string()),
});

/** Emails of one mutation leave in one batch. */
export const send = mutation({
  args: { emails: v.array(email) },
  handler: async (ctx, { emails }) => {
    const ids: EmailId[] = [];
    for (const each of emails) {
      const html = `<p>${each.subject}</p>`;
      ids.push(await resend.sendEmail(ctx, { from: FROM, html, ...each }));
    }
    return ids;
  },
});

export const sendAndCancel = mutation({
  args: email.fields,
  handler: async (ctx, { to, subject }) => {
    const id = await resend.sendEmail(ctx, {
      from: FROM,
      to,
      subject,
      text: subject,
    });
    await resend.cancelEmail(ctx, id);
    return id;
  },
});

export const status = query({
  args: { id: vEmailId },
  handler: async (ctx, { id }) => (await resend.status(ctx, id))?.status ?? null,
});

export const get = query({
  args: { id: vEmailId },
  handler: async (ctx, { id }) => await resend.get(ctx, id),
});

export const webhook = httpAction(async (ctx, request) =>
  await resend.handleResendEventWebhook(ctx, request)
);

/** Notes what Resend says of an email, as an outcome of the task that bears its id. */
export const happened = internalMutation({
  args: vOnEmailEventArgs,
  handler: async (ctx, { id, event }) => {
    await ctx.db.insert("outcomes", { task: id, outcome: event.type });
  },
});
