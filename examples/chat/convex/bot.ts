// The bot: an action, so it may use the network, and reads and writes through other functions.
import { v } from "convex/values";
import { internal } from "./_generated/api";
import { action, env } from "./_generated/server";

/** Posts a summary of the channel's last messages, signed with the version of the server. */
export const summarize = action({
  args: { channel: v.id("channels") },
  returns: v.string(),
  handler: async (ctx, args): Promise<string> => {
    const messages = await ctx.runQuery(internal.messages.recent, {
      channel: args.channel,
      limit: 50,
    });
    const response = await fetch(`${env.CONVEX_CLOUD_URL}/version`);
    const version = (await response.text()).trim();

    const people = new Set(messages.map((m) => m.author).filter((author) => author !== "bot"));
    const words = messages.reduce((sum, m) => sum + m.body.split(/\s+/).length, 0);
    const body =
      `${messages.length} messages, ${words} words, ${people.size} people here (server ${version}).`;
    await ctx.runMutation(internal.messages.postAsBot, { channel: args.channel, body });
    return body;
  },
});
