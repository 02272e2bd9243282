// deno-lint-ignore-file require-await -- handlers of HTTP actions return promises
// HTTP actions for the tests and the benchmark: routes, bodies that stream, failures, identities. A
// function that changes an object which another one made, be it with `shift`, would cost all actions
// here the instances that they share, and the benchmark would show another case.
import { httpActionGeneric as httpAction, httpRouter, makeFunctionReference } from "convex/server";
import { ConvexError } from "convex/values";

const http = httpRouter();
const addEvent = makeFunctionReference<"mutation", { text: string }, null>("events:add");
const listEvents = makeFunctionReference<"query", Record<string, never>, string[]>("events:list");
const encoder = new TextEncoder();
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Says what the request looks like to the handler. */
const describe = httpAction(async (ctx, request) => {
  const body = request.body === null ? null : await request.text();
  return Response.json({
    ip: (await ctx.meta.getRequestMetadata()).ip,
    method: request.method,
    url: request.url,
    headers: Object.fromEntries(request.headers),
    body,
  });
});
for (const method of ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"] as const) {
  http.route({ path: "/describe", method, handler: describe });
}
http.route({ pathPrefix: "/describe/", method: "GET", handler: describe });

/** As little as an action can do. */
http.route({
  path: "/ok",
  method: "POST",
  handler: httpAction(async () => new Response('{"status":"success"}')),
});

const named = (name: string) => httpAction(async () => new Response(name));
http.route({ pathPrefix: "/tree/", method: "GET", handler: named("tree") });
http.route({ pathPrefix: "/tree/deep/", method: "GET", handler: named("deep") });
http.route({ path: "/tree/deep/leaf", method: "GET", handler: named("leaf") });

http.route({
  path: "/cookies",
  method: "GET",
  handler: httpAction(async () => {
    const headers = new Headers({ "x-custom": "1", "access-control-allow-origin": "https://a.b" });
    headers.append("set-cookie", "a=1; Path=/");
    headers.append("set-cookie", "b=2");
    return new Response(null, { status: 204, headers });
  }),
});

/** One token each time, as a model would. */
http.route({
  path: "/tokens",
  method: "GET",
  handler: httpAction(async (ctx, request) => {
    const url = new URL(request.url);
    const count = Number(url.searchParams.get("count"));
    const pauseMs = Number(url.searchParams.get("ms"));
    request.signal.addEventListener("abort", () => console.log("the client left"));
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const writer = writable.getWriter();
    const produce = async () => {
      for (let i = 0; i < count; i++) {
        await writer.write(encoder.encode(`token ${i}\n`));
        await sleep(pauseMs);
      }
      await ctx.runMutation(addEvent, { text: `tokens ${count}` });
      await writer.close();
    };
    void produce();
    return new Response(readable, { headers: { "content-type": "text/event-stream" } });
  }),
});

/** Answers as it is told: status, headers, and the chunks of a body that is null or streams. */
http.route({
  path: "/reply",
  method: "POST",
  handler: httpAction(async (_ctx, request) => {
    const { status, headers, chunks } = await request.json();
    let next = 0;
    const body = chunks === null ? null : new ReadableStream<Uint8Array>({
      async pull(controller) {
        await sleep(1);
        if (next === chunks.length) controller.close();
        else controller.enqueue(encoder.encode(chunks[next++]));
      },
    });
    return new Response(body, { status, headers });
  }),
});

/** Waits, before it answers, until the client has left. */
http.route({
  path: "/patient",
  method: "POST",
  handler: httpAction(async (ctx, request) => {
    await ctx.runMutation(addEvent, { text: "waiting" });
    await new Promise((resolve) => request.signal.addEventListener("abort", resolve));
    await ctx.runMutation(addEvent, { text: "left" });
    return new Response("nobody reads this");
  }),
});

/** Gives back what comes, as it comes. */
http.route({
  path: "/echo",
  method: "POST",
  handler: httpAction(async (_ctx, request) =>
    new Response(request.body, {
      headers: { "content-type": request.headers.get("content-type") ?? "" },
    })
  ),
});

/** Says what a form holds, or what is wrong with it. */
http.route({
  path: "/form",
  method: "POST",
  handler: httpAction(async (_ctx, request) => {
    try {
      const form = await request.formData();
      const file = form.get("file") as File;
      return Response.json({ name: form.get("name"), file: file.name, size: file.size });
    } catch (error) {
      return new Response((error as Error).message, { status: 400 });
    }
  }),
});

/** The number of bytes of the request, which are not kept. */
async function count(request: Request): Promise<number> {
  let bytes = 0;
  const reader = request.body!.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return bytes;
    bytes += value.length;
  }
}
http.route({
  path: "/count",
  method: "POST",
  handler: httpAction(async (_ctx, request) => Response.json({ bytes: await count(request) })),
});

/** Reads its request when it is told to. */
http.route({
  path: "/late",
  method: "POST",
  handler: httpAction(async (ctx, request) => {
    await ctx.runMutation(addEvent, { text: "not reading" });
    while (!(await ctx.runQuery(listEvents)).includes("read now")) await sleep(50);
    return Response.json({ bytes: await count(request) });
  }),
});

/** As many bytes as asked, chunk by chunk as they are wanted; records how many were made. */
http.route({
  path: "/bytes",
  method: "GET",
  handler: httpAction(async (_ctx, request) => {
    const count = Number(new URL(request.url).searchParams.get("count"));
    let made = 0;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        const size = Math.min(64 * 1024, count - made);
        if (size > 0) controller.enqueue(new Uint8Array(size).fill(7));
        made += size;
        if (made % (1024 * 1024) === 0) console.log(`made ${made}`);
        if (made === count) controller.close();
      },
    });
    return new Response(body);
  }),
});

http.route({
  path: "/fail",
  method: "GET",
  handler: httpAction(async (_ctx, request) => {
    const how = new URL(request.url).searchParams.get("how");
    if (how === "convex") throw new ConvexError({ code: 7, at: 1n });
    if (how === "nothing") return undefined as unknown as Response;
    if (how === "late") {
      return new Response(
        new ReadableStream({
          async pull(controller) {
            controller.enqueue(encoder.encode("some"));
            await sleep(20);
            throw new Error("too late");
          },
        }),
      );
    }
    throw new Error("boom");
  }),
});

http.route({
  path: "/who",
  method: "GET",
  handler: httpAction(async (ctx) => Response.json(await ctx.auth.getUserIdentity())),
});

http.route({
  path: "/upload",
  method: "POST",
  handler: httpAction(async (ctx, request) => {
    const storageId = await ctx.storage.store(await request.blob());
    return Response.json({
      storageId,
      url: await ctx.storage.getUrl(storageId),
      metadata: await ctx.storage.getMetadata(storageId),
      uploadUrl: await ctx.storage.generateUploadUrl(),
    });
  }),
});

http.route({
  path: "/file",
  method: "GET",
  handler: httpAction(async (ctx, request) =>
    new Response(await ctx.storage.get(new URL(request.url).searchParams.get("id")!))
  ),
});

http.route({
  path: "/file",
  method: "DELETE",
  handler: httpAction(async (ctx, request) => {
    await ctx.storage.delete(new URL(request.url).searchParams.get("id")!);
    return new Response();
  }),
});

export default http;
