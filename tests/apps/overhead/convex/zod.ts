// A module that bundles zod, whose instances every run gets anew.
import { actionGeneric as action, queryGeneric as query } from "convex/server";
import { v } from "convex/values";
import * as z from "zod";

const shape = z.object({ nonce: z.number() });

export const empty = query({
  args: { nonce: v.number() },
  handler: (_ctx, args) => {
    shape.parse(args);
    return null;
  },
});

export const emptyAction = action({
  args: { nonce: v.number() },
  handler: (_ctx, args) => {
    shape.parse(args);
    return null;
  },
});
