// @convex-dev/persistent-text-streaming: answers that go to one reader token by token, and to the
// database for everybody else. The writer waits for its reader after each token.
import { PersistentTextStreaming, StreamIdValidator } from "@convex-dev/persistent-text-streaming";
import type { StreamId } from "@convex-dev/persistent-text-streaming";
import { v } from "convex/values";
import { components, internal } from "./_generated/api";
import { type ActionCtx, httpAction, internalQuery, mutation, query } from "./_generated/server";

const streaming = new PersistentTextStreaming(components.persistentTextStreaming);
const POLL_MS = 10;

export const create = mutation({
  args: {},
  handler: async (ctx) => {
    const stream = await streaming.createStream(ctx);
    await ctx.db.insert("readers", { stream, tokens: 0 });
    return stream;
  },
});

export const body = query({
  args: { stream: StreamIdValidator },
  handler: async (ctx, { stream }) => await streaming.getStreamBody(ctx, stream as StreamId),
});

/** The reader has one token more. */
export const acknowledge = mutation({
  args: { stream: v.string() },
  handler: async (ctx, { stream }) => {
    const reader = (await ctx.db.query("readers")
      .withIndex("by_stream", (q) => q.eq("stream", stream)).unique())!;
    await ctx.db.patch(reader._id, { tokens: reader.tokens + 1 });
  },
});

export const acknowledged = internalQuery({
  args: { stream: v.string() },
  handler: async (ctx, { stream }) => {
    const reader = await ctx.db.query("readers")
      .withIndex("by_stream", (q) => q.eq("stream", stream)).unique();
    return reader!.tokens;
  },
});

export const answer = httpAction(async (ctx, request) => {
  const { stream, tokens } = await request.json() as { stream: StreamId; tokens: string[] };
  const response = await streaming.stream(
    ctx,
    request,
    stream,
    async (ctx, _request, id, append) => {
      for (const [i, token] of tokens.entries()) {
        if (token === "FAIL") throw new Error("the model is overloaded");
        await append(token);
        await readerHas(ctx, id, i + 1);
      }
    },
  );
  response.headers.set("Access-Control-Allow-Origin", "*");
  return response;
});

async function readerHas(ctx: ActionCtx, stream: StreamId, tokens: number): Promise<void> {
  while (await ctx.runQuery(internal.chat.acknowledged, { stream }) < tokens) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
