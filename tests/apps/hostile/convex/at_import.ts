// The attack that the variable ATTACK names, as module level code.
import { queryGeneric as query } from "convex/server";
import { attempt } from "./attacks.ts";

declare const process: { env: Record<string, string | undefined> };

const name = process.env.ATTACK;
const found = name === undefined ? Promise.resolve("no attack") : attempt(name);
found.catch(() => {});

export const run = query({ args: {}, handler: async () => await found as null });
