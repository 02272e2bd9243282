// The global `Convex` object, called as the npm package calls it (spec function-runtime 1).
import {
  actionGeneric as action,
  mutationGeneric as mutation,
  queryGeneric as query,
} from "convex/server";
import { v } from "convex/values";

interface Host {
  syscall(op: string, args: string): string;
  asyncSyscall(op: string, args: string): Promise<string>;
  jsSyscall(op: string, args: Record<string, unknown>): unknown;
}
const host = (globalThis as unknown as { Convex: Host }).Convex;

const args = { op: v.string(), args: v.string() };

/** The answer as text, or `! ` and the message of the error. */
async function ask(_ctx: unknown, { op, args }: { op: string; args: string }): Promise<string> {
  try {
    if (op.startsWith("sync ")) return host.syscall(op.slice(5), args);
    if (op.startsWith("js ")) return String(await host.jsSyscall(op.slice(3), JSON.parse(args)));
    return await host.asyncSyscall(op, args);
  } catch (error) {
    return `! ${(error as Error).message}`;
  }
}
export const inQuery = query({ args, handler: ask });
export const inMutation = mutation({ args, handler: ask });
export const inAction = action({ args, handler: ask });

/** A scan to its end, by hand: its rows, and whether it is still open then and before. */
export const scan = query({
  args: { takes: v.number() },
  handler: async (_ctx, { takes }) => {
    const source = { type: "FullTableScan", tableName: "items", order: null };
    const start = () =>
      JSON.parse(
        host.syscall(
          "1.0/queryStream",
          JSON.stringify({ query: { source, operators: [] }, version: "1.48.0" }),
        ),
      ).queryId as number;
    const ids = [start(), start()];
    const request = JSON.stringify({ queryId: ids[1] });
    const seen = [];
    for (let i = 0; i < takes; i++) {
      seen.push(JSON.parse(await host.asyncSyscall("1.0/queryStreamNext", request)).done);
    }
    return {
      ids,
      seen,
      cleanups: [
        host.syscall("1.0/queryCleanup", request),
        host.syscall("1.0/queryCleanup", request),
        host.syscall("1.0/queryCleanup", '{"queryId":99}'),
      ],
    };
  },
});
