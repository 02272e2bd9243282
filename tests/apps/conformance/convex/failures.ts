// Ways to fail, and the boundaries that an error crosses (spec function-runtime 5).
import {
  actionGeneric as action,
  internalActionGeneric as internalAction,
  makeFunctionReference,
  mutationGeneric as mutation,
  queryGeneric as query,
} from "convex/server";
import { ConvexError, v } from "convex/values";
import { deepThrow } from "./lib/deep.ts";

export class OwnError extends Error {
  override name = "OwnError";
}

const throwers: Record<string, () => unknown> = {
  plain() {
    throw new Error("boom");
  },
  typed() {
    throw new TypeError("wrong type");
  },
  own() {
    throw new OwnError("mine");
  },
  noMessage() {
    throw new RangeError();
  },
  noName() {
    const error = new Error("nameless");
    error.name = "";
    throw error;
  },
  text() {
    throw "foo";
  },
  number() {
    throw 5;
  },
  nothing() {
    throw undefined;
  },
  object() {
    throw {};
  },
  longMessage() {
    throw new Error("x".repeat(100_000));
  },
  data() {
    throw new ConvexError({ code: "TooMuch", limit: 3n, bytes: new Uint8Array([1]).buffer });
  },
  dataText() {
    throw new ConvexError("just text");
  },
  imported() {
    deepThrow(3);
  },
  async afterAwait() {
    await null;
    throw new Error("later");
  },
  manyFrames() {
    const recurse = (n: number): never => {
      if (n === 0) throw new Error("deep");
      return recurse(n - 1);
    };
    recurse(30);
  },
  constructed() {
    class Failing {
      constructor() {
        throw new Error("in a constructor");
      }
    }
    new Failing();
  },
};

const args = { how: v.string() };
const fail = async (_ctx: unknown, { how }: { how: string }) => {
  await throwers[how]!();
  return null;
};
export const inQuery = query({ args, handler: fail });
export const inMutation = mutation({ args, handler: fail });
export const inAction = action({ args, handler: fail });
export const hidden = internalAction({ args, handler: fail });

export const plainInMutation = mutation({
  args: {},
  handler: () => {
    throw new Error("boom");
  },
});

type How = { how: string };
const failingQuery = makeFunctionReference<"query", How, null>("failures:inQuery");
const failingMutation = makeFunctionReference<"mutation", How, null>("failures:inMutation");
const failingAction = makeFunctionReference<"action", How, null>("failures:inAction");

/** What a caller can catch: message, data and type. */
interface Caught {
  readonly message: string;
  readonly data: unknown;
  readonly isConvexError: boolean;
}
async function caught(call: () => Promise<unknown>): Promise<Caught | null> {
  try {
    await call();
    return null;
  } catch (error) {
    const { message, data } = error as ConvexError<string>;
    return { message, data: data ?? null, isConvexError: error instanceof ConvexError };
  }
}

export const catchInMutation = mutation({
  args,
  handler: async (ctx, { how }) => [
    await caught(() => ctx.runQuery(failingQuery, { how })),
    await caught(() => ctx.runMutation(failingMutation, { how })),
  ],
});
export const catchInAction = action({
  args,
  handler: async (ctx, { how }): Promise<(Caught | null)[]> => [
    await caught(() => ctx.runQuery(failingQuery, { how })),
    await caught(() => ctx.runMutation(failingMutation, { how })),
    await caught(() => ctx.runAction(failingAction, { how })),
  ],
});

export const passOnInQuery = query({
  args,
  handler: async (ctx, { how }) => await ctx.runQuery(failingQuery, { how }),
});
export const passOnInAction = action({
  args,
  handler: async (ctx, { how }): Promise<null> => await ctx.runMutation(failingMutation, { how }),
});

/** Runs a function that fails; what it reports is in the log. */
export const scheduleFailure = mutation({
  args,
  handler: (ctx, { how }) => ctx.scheduler.runAfter(0, failingMutation, { how }),
});

export const stateOf = query({
  args: { id: v.id("_scheduled_functions") },
  handler: async (ctx, { id }) => (await ctx.db.system.get(id))?.state ?? null,
});

/** User code sees of a stack its frames alone, mapped. */
export const stackText = query({ args: {}, handler: () => new Error("seen").stack });
