// An action of a box that is still running when a push has taken the box away.
import { actionGeneric as action, makeFunctionReference } from "convex/server";
import { v } from "convex/values";

const keep = makeFunctionReference<"mutation", { text: string }>("notes:addInternally");
const list = makeFunctionReference<"query">("notes:list");

/** Waits for an answer from `url`, and tries to write in every way. Returns what it was told. */
export const writeAfter = action({
  args: { url: v.string(), file: v.string() },
  handler: async (ctx, { url, file }) => {
    await (await fetch(url)).text();
    const attempts: Record<string, () => Promise<unknown>> = {
      call: () => ctx.runMutation(keep, { text: "late" }),
      read: () => ctx.runQuery(list),
      schedule: () => ctx.scheduler.runAfter(0, keep, { text: "late" }),
      store: () => ctx.storage.store(new Blob(["late"])),
      remove: () => ctx.storage.delete(file as never),
    };
    const answers: Record<string, string> = {};
    for (const [name, attempt] of Object.entries(attempts)) {
      answers[name] = await attempt().then(() => "done", (error) => (error as Error).message);
    }
    return answers;
  },
});
