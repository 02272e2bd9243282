// Dynamic imports, cycles, top level awaits and `import.meta` (spec function-runtime 3.3).
import { actionGeneric as action, queryGeneric as query } from "convex/server";
import { v } from "convex/values";
import { askBack } from "./lib/cycle.ts";

export function fromModules(): string {
  return "through the cycle";
}

const own = async () => (await import("./lib/lazy.ts")).lazy("own module");
export const lazyInAction = action({ args: {}, handler: own });
export const lazyInQuery = query({ args: {}, handler: own });

/** A specifier that the bundler cannot see. */
export const byName = action({
  args: { name: v.string() },
  handler: async (_ctx, { name }) => {
    try {
      return Object.keys(await import(name)).toSorted();
    } catch (error) {
      return `${(error as Error).name}: ${(error as Error).message}`;
    }
  },
});

export const cycle = query({ args: {}, handler: () => askBack() });

const meta = () => {
  try {
    return import.meta.url;
  } catch (error) {
    return `${(error as Error).name}: ${(error as Error).message}`;
  }
};
export const metaInQuery = query({ args: {}, handler: meta });
export const metaInAction = action({ args: {}, handler: meta });
