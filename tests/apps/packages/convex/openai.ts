// openai, with a fetch of our own.
import OpenAI from "openai";
import { actionGeneric as action } from "convex/server";

export const openai = action({
  args: {},
  handler: async () => {
    const seen: string[] = [];
    const client = new OpenAI({
      apiKey: "test",
      maxRetries: 0,
      fetch: async (input, init) => {
        const request = new Request(input as RequestInfo, init);
        const body = await request.json();
        seen.push(`${request.method} ${new URL(request.url).pathname} ${body.model}`);
        if (!body.stream) return Response.json({ choices: [{ message: { content: "hello" } }] });
        const chunks = ["he", "llo"].map((content) =>
          `data: ${JSON.stringify({ choices: [{ delta: { content } }] })}\n\n`
        );
        return new Response([...chunks, "data: [DONE]\n\n"].join(""), {
          headers: { "content-type": "text/event-stream" },
        });
      },
    });
    const messages = [{ role: "user" as const, content: "hi" }];
    const whole = await client.chat.completions.create({ model: "m", messages });
    let streamed = "";
    for await (
      const part of await client.chat.completions.create({ model: "m", messages, stream: true })
    ) {
      streamed += part.choices[0]?.delta.content ?? "";
    }
    return { whole: whole.choices[0]!.message.content, streamed, seen };
  },
});
