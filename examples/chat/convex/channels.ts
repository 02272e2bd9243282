// Channels: list them, open one by name.
import { ConvexError, v } from "convex/values";
import { mutation, query } from "./_generated/server";

const CHANNELS_MAX = 100;
const NAME_CHARS_MAX = 30;

export const list = query({
  args: {},
  handler: (ctx) => ctx.db.query("channels").withIndex("by_name").take(CHANNELS_MAX),
});

/** Returns the id of the channel with this name and creates it when there is none. */
export const open = mutation({
  args: { name: v.string() },
  handler: async (ctx, args) => {
    const name = args.name.trim().toLowerCase();
    if (name === "" || name.length > NAME_CHARS_MAX) {
      throw new ConvexError(`A channel name has 1 to ${NAME_CHARS_MAX} characters.`);
    }
    // Two clients that open the same new channel at once cannot both insert it: the second
    // transaction read the empty range that the first one wrote into, so it runs again.
    const existing = await ctx.db
      .query("channels")
      .withIndex("by_name", (q) => q.eq("name", name))
      .unique();
    return existing?._id ?? await ctx.db.insert("channels", { name, messageCount: 0 });
  },
});
