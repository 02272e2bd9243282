// @convex-dev/agent: threads with an assistant that takes things from a larder with a tool. The language
// models are objects of this file that implement the AI SDK's provider interface.
import type {
  LanguageModelV4,
  LanguageModelV4CallOptions,
  LanguageModelV4Content,
  LanguageModelV4StreamPart,
} from "@ai-sdk/provider";
import {
  abortStream,
  Agent,
  createTool,
  listMessages,
  listUIMessages,
  stepCountIs,
  syncStreams,
  type UIMessage,
  vStreamArgs,
} from "@convex-dev/agent";
import { jsonSchema } from "ai";
import { paginationOptsValidator } from "convex/server";
import { v } from "convex/values";
import { components, internal } from "./_generated/api";
import {
  action,
  type ActionCtx,
  internalMutation,
  internalQuery,
  mutation,
  query,
} from "./_generated/server";

const POLL_MS = 20;
const USAGE = {
  inputTokens: { total: 3, noCache: 3, cacheRead: 0, cacheWrite: 0 },
  outputTokens: { total: 10, text: 10, reasoning: 0 },
};

/** A language model that answers with what `think` returns, at once or in words as they come. */
function fakeModel(model: {
  think?: (options: LanguageModelV4CallOptions) => LanguageModelV4Content[];
  speak?: () => AsyncGenerator<string>;
}): LanguageModelV4 {
  return {
    specificationVersion: "v4",
    provider: "fake",
    modelId: "fake-1",
    supportedUrls: {},
    doGenerate: async (options) => {
      const content = model.think!(options);
      const calls = content.some((part) => part.type === "tool-call");
      return {
        content,
        finishReason: { unified: calls ? "tool-calls" : "stop", raw: undefined },
        usage: USAGE,
        warnings: [],
      };
    },
    doStream: async () => {
      const parts = async function* (): AsyncGenerator<LanguageModelV4StreamPart> {
        yield { type: "stream-start", warnings: [] };
        yield { type: "text-start", id: "1" };
        for await (const delta of model.speak!()) yield { type: "text-delta", id: "1", delta };
        yield { type: "text-end", id: "1" };
        yield { type: "finish", finishReason: { unified: "stop", raw: undefined }, usage: USAGE };
      };
      return { stream: ReadableStream.from(parts()) };
    },
  };
}

const take = createTool({
  description: "Take something from the larder",
  inputSchema: jsonSchema<{ item: string; count: number }>({
    type: "object",
    properties: { item: { type: "string" }, count: { type: "number" } },
    required: ["item", "count"],
  }),
  execute: async (ctx, input): Promise<string> => {
    const left: number = await ctx.runMutation(internal.assistant.takeFromLarder, input);
    return `${left} ${input.item} left`;
  },
});

/** Calls the tool for "take <count> <item>", and repeats what the tool answered. */
const butler = fakeModel({
  think: ({ prompt }) => {
    const last = prompt.at(-1)!;
    if (last.role === "tool") {
      const [part] = last.content;
      const answer = part?.type === "tool-result" ? JSON.stringify(part.output) : "nothing";
      const questions = prompt.filter((message) => message.role === "user").length;
      return [{ type: "text", text: `Question ${questions}: ${answer}` }];
    }
    const text = last.role === "user" && last.content[0]?.type === "text"
      ? last.content[0].text
      : "";
    const [verb, count, item] = text.split(" ");
    if (verb !== "take") throw new Error(`the model does not understand "${text}"`);
    const input = JSON.stringify({ item, count: Number(count) });
    return [{ type: "tool-call", toolCallId: `call-${count}-${item}`, toolName: "take", input }];
  },
});

const assistant = new Agent(components.agent, {
  name: "Butler",
  instructions: "You look after the larder.",
  languageModel: butler,
  tools: { take },
  stopWhen: stepCountIs(3),
});

export const takeFromLarder = internalMutation({
  args: { item: v.string(), count: v.number() },
  handler: async (ctx, { item, count }) => {
    const entry = await ctx.db.query("larder")
      .withIndex("by_item", (q) => q.eq("item", item))
      .unique();
    if (entry === null) throw new Error(`no ${item} in the larder`);
    await ctx.db.patch(entry._id, { count: entry.count - count });
    return entry.count - count;
  },
});

export const stock = mutation({
  args: { item: v.string(), count: v.number() },
  handler: async (ctx, entry) => void await ctx.db.insert("larder", entry),
});

export const createThread = mutation({
  args: { userId: v.string(), title: v.string() },
  handler: async (ctx, args) => (await assistant.createThread(ctx, args)).threadId,
});

export const threads = query({
  args: { userId: v.string(), paginationOpts: paginationOptsValidator },
  handler: async (ctx, args) =>
    await ctx.runQuery(components.agent.threads.listThreadsByUserId, args),
});

export const ask = action({
  args: { threadId: v.string(), prompt: v.string() },
  handler: async (ctx, { threadId, prompt }) => {
    const { thread } = await assistant.continueThread(ctx, { threadId });
    const { text, steps } = await thread.generateText({ prompt });
    return { text, steps: steps.length };
  },
});

export const messages = query({
  args: {
    threadId: v.string(),
    paginationOpts: paginationOptsValidator,
    streamArgs: vStreamArgs,
  },
  handler: async (ctx, args) => {
    const statuses: ["success", "failed"] = ["success", "failed"];
    const page = await listMessages(ctx, components.agent, { ...args, statuses });
    return { ...page, streams: await syncStreams(ctx, components.agent, args) };
  },
});

/** What a chat shows: calls of tools and their results are parts of the answer. */
export const chat = query({
  args: { threadId: v.string(), paginationOpts: paginationOptsValidator },
  handler: async (ctx, args): Promise<Pick<UIMessage, "role" | "text">[]> => {
    const { page } = await listUIMessages(ctx, components.agent, args);
    return page.map(({ role, text }) => ({ role, text }));
  },
});

/** Streams two sentences into the thread; the second one waits until `proceed` was called. */
export const tell = action({
  args: { threadId: v.string() },
  handler: async (ctx, { threadId }) => {
    const model = fakeModel({ speak: () => story(ctx, threadId) });
    const { thread } = await assistant.continueThread(ctx, { threadId });
    const saveStreamDeltas = { chunking: "word" as const, throttleMs: 1 };
    const result = await thread.streamText({ prompt: "tell", model }, { saveStreamDeltas });
    return await result.text;
  },
});

async function* story(ctx: ActionCtx, threadId: string): AsyncGenerator<string> {
  yield* ["Once ", "upon ", "a ", "time. "];
  while (!await ctx.runQuery(internal.assistant.mayProceed, { threadId })) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  yield* ["The ", "end."];
}

export const mayProceed = internalQuery({
  args: { threadId: v.string() },
  handler: async (ctx, { threadId }) =>
    await ctx.db.query("proceeding")
      .withIndex("by_thread", (q) => q.eq("threadId", threadId))
      .first() !== null,
});

export const proceed = mutation({
  args: { threadId: v.string() },
  handler: async (ctx, { threadId }) => void await ctx.db.insert("proceeding", { threadId }),
});

export const stopTelling = mutation({
  args: { threadId: v.string(), order: v.number() },
  handler: async (ctx, { threadId, order }) =>
    await abortStream(ctx, components.agent, { threadId, order, reason: "enough" }),
});

export const deleteThread = mutation({
  args: { threadId: v.string() },
  handler: async (ctx, { threadId }) => await assistant.deleteThreadAsync(ctx, { threadId }),
});
