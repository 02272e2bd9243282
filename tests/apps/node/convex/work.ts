// Real work with Node's modules and with everything that an action's context offers.
// deno-lint-ignore-file require-await
"use node";
import { AsyncLocalStorage } from "node:async_hooks";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import fs from "node:fs";
import http from "node:http";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";
import { Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { Worker } from "node:worker_threads";
import zlib from "node:zlib";
import {
  actionGeneric as action,
  createFunctionHandle,
  internalActionGeneric as internalAction,
  makeFunctionReference,
} from "convex/server";
import { ConvexError, v } from "convex/values";
import { nanoid } from "nanoid";
import Stripe from "stripe";

const run = (name: string) => makeFunctionReference<"query">(name);
let calls = 0;

export const hash = action({
  args: { text: v.string() },
  returns: v.string(),
  handler: async (_ctx, { text }) => createHash("sha256").update(text).digest("hex"),
});

export const wrongResult = action({ returns: v.string(), handler: async () => 1 as never });

export const files = action({
  handler: async () => {
    const file = path.join(os.tmpdir(), `${randomBytes(4).toString("hex")}.gz`);
    await pipeline(
      Readable.from(["one ", "two"]),
      new Writable({
        write(chunk, _encoding, done) {
          fs.appendFileSync(file, chunk);
          done();
        },
      }),
    );
    const packed = zlib.gzipSync(fs.readFileSync(file));
    fs.rmSync(file);
    return {
      text: zlib.gunzipSync(packed).toString("utf8"),
      base64: Buffer.from("hi").toString("base64"),
      left: fs.existsSync(file),
      writes: fs.readdirSync(os.tmpdir()).length,
    };
  },
});

export const globals = action({
  handler: async () => ({
    require: require("node:path").join("a", "b"),
    created: typeof createRequire(__filename),
    dirname: __dirname.length > 0,
    buffer: typeof Buffer,
    global: global === globalThis,
    evaluated: new Function("return 6 * 7")(),
    immediate: await new Promise((resolve) => setImmediate(resolve, "soon")),
    version: Number(process.versions.node.split(".")[0]) >= 20,
  }),
});

export const environment = action({
  handler: async () => ({ ...process.env }),
});

export const packages = action({
  handler: async () => {
    const stripe = new Stripe("sk_test_1");
    const payload = JSON.stringify({ id: "evt_1", object: "event" });
    const header = stripe.webhooks.generateTestHeaderString({ payload, secret: "whsec" });
    const inspect = require("object-inspect") as (value: unknown) => string;
    return {
      imported: nanoid().length,
      required: inspect(new Map([["a", 1]])),
      bundled: stripe.webhooks.constructEvent(payload, header, "whsec").id,
    };
  },
});

/** Calls in every direction; the context of an action is whole. */
export const context = action({
  args: { text: v.string() },
  handler: async (ctx, { text }) => {
    await ctx.runMutation(makeFunctionReference<"mutation">("notes:add"), { text });
    const storageId = await ctx.storage.store(new Blob([`stored ${text}`], { type: "text/plain" }));
    const blob = await ctx.storage.get(storageId);
    const url = await ctx.storage.getUrl(storageId);
    await ctx.storage.delete(storageId);
    const later = makeFunctionReference<"mutation">("notes:add");
    await ctx.scheduler.runAfter(0, later, { text: `${text} later` });
    return {
      notes: await ctx.runQuery(run("notes:list"), {}),
      shouted: await ctx.runAction(makeFunctionReference<"action">("notes:shout"), { text }),
      hashed: (await ctx.runAction(makeFunctionReference<"action">("work:hash"), { text })).length,
      stored: [await blob!.text(), blob!.type, url!.startsWith("http")],
      identity: await ctx.auth.getUserIdentity(),
      handle: (await createFunctionHandle(run("notes:list"))).startsWith("function://"),
    };
  },
});

export const note = internalAction({
  handler: async (ctx, { text }: { text: string }) => {
    const digest = createHash("md5").update(text).digest("hex");
    await ctx.runMutation(makeFunctionReference<"mutation">("notes:add"), { text: digest });
  },
});

/** Fetches with Node's own client. */
export const download = action({
  handler: async (_ctx, { url }: { url: string }) =>
    await new Promise((resolve, reject) => {
      http.get(url, (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (part: string) => text += part);
        response.on("end", () => resolve([response.statusCode, text]));
      }).on("error", reject);
    }),
});

export const fetches = action({
  handler: async (_ctx, { url }: { url: string }) => await (await fetch(url)).text(),
});

export const logs = action({
  handler: async () => {
    console.log("text", { a: [1, { b: new Map([["k", 1n]]) }] });
    console.error(new ConvexError("data").data);
    process.stdout.write("written\n");
    console.time("t");
    console.timeEnd("t");
  },
});

export const manyLogs = action({
  handler: async () => {
    for (let i = 0; i < 300; i++) console.log("x".repeat(10_000));
  },
});

function explode(message: string): never {
  throw new Error(message);
}

export const fails = action({ handler: async () => explode("boom") });

export const failsWithData = action({
  handler: async () => {
    throw new ConvexError({ code: 7 });
  },
});

export const failsInCall = action({
  handler: (ctx) =>
    ctx.runMutation(makeFunctionReference<"mutation">("notes:add"), { text: "forbidden" }),
});

export const rejectsUnheard = action({
  handler: async () => {
    Promise.reject(new Error("nobody"));
    await new Promise((resolve) => setTimeout(resolve, 10_000));
  },
});

export const throwsFromTimer = action({
  handler: async () => {
    setTimeout(() => explode("from a timer"), 1);
    await new Promise((resolve) => setTimeout(resolve, 10_000));
  },
});

export const exits = action({
  handler: async () => {
    process.exit(3);
  },
});

export const usesDatabase = action({
  handler: async () =>
    await (globalThis as unknown as { Convex: { asyncSyscall(...args: string[]): unknown } }).Convex
      .asyncSyscall("1.0/get", "{}"),
});

export const dangles = action({
  handler: async (ctx) => {
    ctx.runQuery(run("notes:list"), {});
  },
});

export const tooManyOperations = action({
  handler: async (ctx) => {
    const queries = Array.from({ length: 1_001 }, () => ctx.runQuery(run("notes:list"), {}));
    await Promise.all(queries);
  },
});

let leftover: (() => Promise<unknown>) | null = null;

export const leavesState = action({
  handler: async (ctx) => {
    leftover = () => ctx.runQuery(run("notes:list"), {});
  },
});

/** A worker thread and the process itself print past the console. */
export const printsAround = action({
  handler: async () => {
    const worker = new Worker('console.log("a line"); process.stdout.write("another")', {
      eval: true,
    });
    await once(worker, "exit");
    fs.writeSync(1, "past the console");
    return "went on";
  },
});

/** Writes temporary files until somebody stops it. */
export const fillsDirectory = action({
  handler: async () => {
    for (let i = 0;; i++) {
      fs.writeFileSync(path.join(os.tmpdir(), `${i % 50}`), new Uint8Array(1024 * 1024));
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  },
});

export const usesLeftover = action({ handler: async () => await leftover?.() });

export const who = action({ handler: (ctx) => ctx.auth.getUserIdentity() });

export const count = action({ handler: async () => ++calls });

const seen = new AsyncLocalStorage<string>();

/** Waits for the others, then tells what belongs to it. */
export const concurrent = action({
  handler: async (_ctx, { name, ms }: { name: string; ms: number }) =>
    await seen.run(name, async () => {
      await new Promise((resolve) => setTimeout(resolve, ms));
      console.log(name);
      return seen.getStore();
    }),
});

export const sleep = action({
  handler: (_ctx, { ms }: { ms: number }) =>
    new Promise((resolve) => setTimeout(resolve, ms, null)),
});

export const spin = action({
  handler: async () => {
    for (;;);
  },
});

export const takeArgs = action({
  handler: async (_ctx, { text }: { text: string }) => text.length,
});
