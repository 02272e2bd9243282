// Module level state: every run gets instances of its own.
import { queryGeneric as query } from "convex/server";
import { v } from "convex/values";

let runs = 0;

export const empty = query({
  args: { nonce: v.number() },
  handler: () => {
    runs++;
    return null;
  },
});

export const counted = query({ args: {}, handler: () => runs });
