// ai, with a model in memory.
import { generateText, tool } from "ai";
import { MockLanguageModelV4 } from "ai/test";
import { z } from "zod";
import { actionGeneric as action } from "convex/server";

/** A model that asks for a tool once and then answers with what the tool said. */
export const ai = action({
  args: {},
  handler: async () => {
    let step = 0;
    const usage = {
      inputTokens: { total: 1, noCache: 1, cacheRead: 0, cacheWrite: 0 },
      outputTokens: { total: 1, text: 1, reasoning: 0 },
    };
    const model = new MockLanguageModelV4({
      doGenerate: () =>
        Promise.resolve(
          step++ === 0
            ? {
              content: [{
                type: "tool-call" as const,
                toolCallId: "1",
                toolName: "weather",
                input: '{"city":"Rome"}',
              }],
              finishReason: { unified: "tool-calls" as const, raw: undefined },
              usage,
              warnings: [],
            }
            : {
              content: [{ type: "text" as const, text: "It is sunny." }],
              finishReason: { unified: "stop" as const, raw: undefined },
              usage,
              warnings: [],
            },
        ),
    });
    const asked: string[] = [];
    const { text, steps } = await generateText({
      model,
      prompt: "The weather in Rome?",
      tools: {
        weather: tool({
          inputSchema: z.object({ city: z.string() }),
          execute: ({ city }) => {
            asked.push(city);
            return Promise.resolve("sunny");
          },
        }),
      },
      stopWhen: ({ steps }) => steps.length === 3,
    });
    return { text, asked, steps: steps.length };
  },
});
