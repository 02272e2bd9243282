// Actions: real time, the network, many at once in one isolate (spec function-runtime 1.4, 4, 5).
import {
  actionGeneric as action,
  type FunctionReference,
  makeFunctionReference,
  mutationGeneric as mutation,
  queryGeneric as query,
} from "convex/server";
import { v } from "convex/values";

const note = makeFunctionReference<"mutation", { text: string }, null>("actions:note");
const notes = makeFunctionReference<"query", Record<string, never>, string[]>("actions:notes");
const sleepReference = makeFunctionReference<
  "action",
  { ms: number; text: string },
  null
>("actions:sleepAndNote") as FunctionReference<
  "action",
  "public",
  { ms: number; text: string },
  null
>;

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

const addNote = mutation({
  args: { text: v.string() },
  handler: async (ctx, { text }) => {
    await ctx.db.insert("items", { group: "notes", text });
    return null;
  },
});
export { addNote as note };
const listNotes = query({
  args: {},
  handler: async (ctx): Promise<string[]> => {
    const rows = await ctx.db.query("items").withIndex("by_group", (q) => q.eq("group", "notes"))
      .collect();
    return rows.map((row) => row.text as string);
  },
});
export { listNotes as notes };

export const sleepAndNote = action({
  args: { ms: v.number(), text: v.string() },
  handler: async (ctx, { ms, text }) => {
    await sleep(ms);
    await ctx.runMutation(note, { text });
    return null;
  },
});

let moduleState = "fresh";
const Storage = (globalThis as unknown as {
  AsyncLocalStorage: new () => {
    run<T>(value: unknown, body: () => Promise<T>): Promise<T>;
    getStore(): unknown;
  };
}).AsyncLocalStorage;
const storage = new Storage();

/** Leaves marks everywhere and looks, after a while, whether they are still its own. */
export const marks = action({
  args: { mark: v.string(), ms: v.number() },
  handler: (_ctx, { mark, ms }) =>
    storage.run(mark, async () => {
      const before = [moduleState, (globalThis as { mark?: string }).mark ?? null];
      moduleState = mark;
      (globalThis as { mark?: string }).mark = mark;
      await sleep(ms);
      return {
        before,
        after: [moduleState, (globalThis as { mark?: string }).mark, storage.getStore()],
      };
    }),
});

/** Many operations at once are queued, none is refused. */
export const manyOperations = action({
  args: { count: v.number() },
  handler: async (ctx, { count }): Promise<number> => {
    const calls = Array.from({ length: count }, () => ctx.runQuery(notes, {}));
    return (await Promise.all(calls)).length;
  },
});

/** Each call of another function is a transaction of its own, at its own time. */
export const separateTransactions = action({
  args: {},
  handler: async (ctx): Promise<number[]> => {
    const before = (await ctx.runQuery(notes, {})).length;
    await ctx.runMutation(note, { text: "in between" });
    return [before, (await ctx.runQuery(notes, {})).length];
  },
});

export const completionOrder = action({
  args: {},
  handler: async (ctx): Promise<string[]> => {
    const seen: string[] = [];
    await Promise.all([
      ctx.runAction(sleepReference, { ms: 400, text: "slow" }).then(() => seen.push("slow")),
      ctx.runAction(sleepReference, { ms: 1, text: "quick" }).then(() => seen.push("quick")),
    ]);
    return seen;
  },
});

export const dangling = action({
  args: { url: v.string() },
  handler: async (ctx, { url }) => {
    void ctx.runQuery(notes, {}).catch(() => {});
    void fetch(url).catch(() => {});
    setTimeout(() => {}, 60_000);
    await null;
    return "returned";
  },
});

/** What `fetch` does with what a server of the test answers. */
const fetches: Record<string, (url: string) => Promise<unknown>> = {
  async redirects(url) {
    const response = await fetch(`${url}/redirect?to=/echo`, {
      method: "POST",
      body: "lost on the way",
      headers: { "x-own": "kept" },
    });
    const seen = await response.json();
    return [response.redirected, seen.method, seen.body, seen.headers["x-own"]];
  },
  async manual(url) {
    const response = await fetch(`${url}/redirect?to=/echo`, { redirect: "manual" });
    return [response.status, response.headers.get("location")];
  },
  error: async (url) => await fetch(`${url}/redirect?to=/echo`, { redirect: "error" }),
  loop: async (url) => await fetch(`${url}/loop`),
  async crossOrigin(url) {
    const other = url.replace("127.0.0.1", "localhost");
    const to = encodeURIComponent(`${other}/echo`);
    const response = await fetch(`${url}/redirect?to=${to}`, {
      headers: { authorization: "Bearer secret", "x-own": "kept" },
    });
    const { headers } = await response.json();
    return [headers.authorization ?? null, headers["x-own"]];
  },
  async agents(url) {
    const own = await (await fetch(`${url}/echo`)).json();
    const set = await (await fetch(`${url}/echo`, { headers: { "user-agent": "Mine/2" } })).json();
    return [own.headers["user-agent"], set.headers["user-agent"]];
  },
  async upload(url) {
    const parts = ["one ", "two ", "three"];
    const body = new ReadableStream({
      async pull(controller) {
        await sleep(1);
        const part = parts.shift();
        if (part === undefined) controller.close();
        else controller.enqueue(new TextEncoder().encode(part));
      },
    });
    const init = { method: "PUT", body, duplex: "half" } as RequestInit;
    return (await (await fetch(`${url}/echo`, init)).json()).body;
  },
  async stream(url) {
    const response = await fetch(`${url}/stream`);
    const parts = [];
    for await (const part of response.body!.pipeThrough(new TextDecoderStream())) parts.push(part);
    return [parts.join(""), parts.length > 1];
  },
  async abort(url) {
    const controller = new AbortController();
    const response = await fetch(`${url}/endless`, { signal: controller.signal });
    const reader = response.body!.getReader();
    await reader.read();
    controller.abort();
    for (;;) if ((await reader.read()).done) return "ended";
  },
  async abortBefore(url) {
    return await fetch(`${url}/echo`, { signal: AbortSignal.abort() });
  },
  async timeout(url) {
    return await fetch(`${url}/never`, { signal: AbortSignal.timeout(50) });
  },
  refused: async (url) => await fetch(url),
  file: async () => await fetch("file:///etc/passwd"),
  data: async () => await (await fetch("data:text/plain,hello")).text(),
  async form(url) {
    const form = new FormData();
    form.set("a", "1");
    form.set("f", new Blob(["content"]), "f.txt");
    const seen = await (await fetch(`${url}/echo`, { method: "POST", body: form })).json();
    return /name="a"\r\n\r\n1\r\n[^]*filename="f\.txt"[^]*content/.test(seen.body);
  },
};
export const fetching = action({
  args: { what: v.string(), url: v.string() },
  handler: async (_ctx, { what, url }) => {
    try {
      return (await fetches[what]!(url)) as null;
    } catch (error) {
      return `! ${(error as Error).name}: ${(error as Error).message}`;
    }
  },
});

export const timers = action({
  args: {},
  handler: async () => {
    const seen: string[] = [];
    const cleared = setTimeout(() => seen.push("cleared"), 1);
    clearTimeout(cleared);
    setTimeout((...given: string[]) => seen.push(given.join()), 10, "with", "arguments");
    setTimeout(() => seen.push("NaN"), NaN);
    setTimeout(() => seen.push("first"), 30);
    setTimeout(() => seen.push("second"), 30);
    const refused = (() => {
      try {
        (setTimeout as unknown as (code: string) => void)("seen.push('text')");
        return false;
      } catch {
        return true;
      }
    })();
    const start = Date.now();
    await sleep(60);
    return { seen, refused, passed: Date.now() - start >= 59 };
  },
});
