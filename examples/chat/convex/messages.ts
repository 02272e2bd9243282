// Messages: a paginated list for the page, a mutation for people, internal functions for the bot.
import { paginationOptsValidator } from "convex/server";
import { ConvexError, v } from "convex/values";
import { internalMutation, internalQuery, mutation, query } from "./_generated/server";
import type { MutationCtx } from "./_generated/server";
import type { Id } from "./_generated/dataModel";

const BODY_CHARS_MAX = 1000;
const AUTHOR_CHARS_MAX = 40;

/** One page of a channel's messages, newest first. */
export const list = query({
  args: { channel: v.id("channels"), paginationOpts: paginationOptsValidator },
  handler: (ctx, args) =>
    ctx.db
      .query("messages")
      .withIndex("by_channel", (q) => q.eq("channel", args.channel))
      .order("desc")
      .paginate(args.paginationOpts),
});

export const send = mutation({
  args: { channel: v.id("channels"), author: v.string(), body: v.string() },
  returns: v.id("messages"),
  handler: (ctx, args) => {
    const body = args.body.trim();
    const author = args.author.trim();
    if (body === "") throw new ConvexError("A message needs some text.");
    if (body.length > BODY_CHARS_MAX) {
      throw new ConvexError(`A message has at most ${BODY_CHARS_MAX} characters.`);
    }
    if (author === "" || author.length > AUTHOR_CHARS_MAX) {
      throw new ConvexError(`A name has 1 to ${AUTHOR_CHARS_MAX} characters.`);
    }
    return post(ctx, { channel: args.channel, author, body });
  },
});

/** The last messages of a channel, for the bot. */
export const recent = internalQuery({
  args: { channel: v.id("channels"), limit: v.number() },
  handler: (ctx, args) =>
    ctx.db
      .query("messages")
      .withIndex("by_channel", (q) => q.eq("channel", args.channel))
      .order("desc")
      .take(args.limit),
});

export const postAsBot = internalMutation({
  args: { channel: v.id("channels"), body: v.string() },
  handler: (ctx, args) => post(ctx, { ...args, author: "bot" }),
});

/** Inserts the message and counts it in its channel: one transaction, so the count is exact. */
async function post(
  ctx: MutationCtx,
  message: { channel: Id<"channels">; author: string; body: string },
): Promise<Id<"messages">> {
  const channel = await ctx.db.get(message.channel);
  if (channel === null) throw new ConvexError("This channel does not exist.");
  await ctx.db.patch(channel._id, { messageCount: channel.messageCount + 1 });
  return await ctx.db.insert("messages", message);
}
