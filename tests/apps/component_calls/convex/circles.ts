// Calls that go round: into a component and, by a handle, back into the app.
import {
  componentsGeneric,
  createFunctionHandle,
  makeFunctionReference,
  mutationGeneric as mutation,
} from "convex/server";
import { v } from "convex/values";

// deno-lint-ignore no-explicit-any -- named by text, so without a type
const components: any = componentsGeneric();

/** Goes round as often as `text` says, and keeps a note each time. */
export const down = mutation({
  args: { text: v.string() },
  handler: async (ctx, { text }): Promise<number> => {
    await ctx.db.insert("kept", { text });
    const rounds = Number(text);
    if (rounds === 0) return 0;
    const handle = await createFunctionHandle(makeFunctionReference<"mutation">("circles:down"));
    const next = { handle, text: `${rounds - 1}` };
    return 1 + await ctx.runMutation(components.first.notes.callBack, next);
  },
});
