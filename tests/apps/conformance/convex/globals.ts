// The globals of the default runtime, each used as a developer would; every function returns what
// it found, so that the test can compare.
import {
  actionGeneric as action,
  mutationGeneric as mutation,
  queryGeneric as query,
} from "convex/server";
import { v } from "convex/values";

type Check = () => unknown;

const message = async (body: Check): Promise<string> => {
  try {
    return `no error: ${String(await body())}`;
  } catch (error) {
    return (error as Error).message;
  }
};

const text = async (stream: ReadableStream<Uint8Array>) => await new Response(stream).text();
const hex = (bytes: ArrayBuffer) => new Uint8Array(bytes).toHex();
const bytesOf = (value: string) => new TextEncoder().encode(value);
const global = globalThis as unknown as Record<string, unknown>;

/** Work without network, time or entropy: the same in all kinds of functions. */
const checks: Record<string, Check> = {
  present: () =>
    `Convex process self console URL URLSearchParams crypto Crypto SubtleCrypto CryptoKey
    DOMException Event EventTarget structuredClone setTimeout setInterval clearTimeout clearInterval
    AbortController AbortSignal AsyncLocalStorage AsyncResource ReadableStream
    ReadableStreamBYOBReader ReadableStreamDefaultReader TransformStream WritableStream
    WritableStreamDefaultWriter TextEncoder TextDecoder TextEncoderStream TextDecoderStream atob btoa
    Blob File Headers FormData Request Response fetch performance Performance PerformanceEntry
    PerformanceMark PerformanceMeasure WebAssembly Intl Atomics SharedArrayBuffer globalThis`
      .split(/\s+/).filter((name) => typeof global[name] === "undefined"),
  absent: () =>
    `window document navigator location global Buffer require module queueMicrotask setImmediate
    CustomEvent MessageChannel BroadcastChannel WebSocket EventSource XMLHttpRequest Worker
    CompressionStream caches localStorage Deno URLPattern`
      .split(/\s+/).filter((name) => typeof global[name] !== "undefined" || name in global),
  base64: () => [btoa("héllo"), atob("aGk="), typeof atob],
  urls: () => {
    const url = new URL("../b?x=1#h", "https://user@example.com:8080/a/c");
    url.searchParams.append("y", "ä b");
    const params = new URLSearchParams({ b: "2", a: "1" });
    params.sort();
    return [url.href, url.host, [...params].flat(), URL.canParse("nope")];
  },
  encoders: () => [
    [...new TextEncoder().encode("€")],
    new TextDecoder("utf-16le").decode(new Uint8Array([0x61, 0, 0x62, 0])),
    new TextDecoder("utf-8", { ignoreBOM: true }).decode(new Uint8Array([0xef, 0xbb, 0xbf, 0x61]))
      .length,
  ],
  fatalDecoder: () =>
    message(() => new TextDecoder("utf-8", { fatal: true }).decode(new Uint8Array([0xff]))),
  encoderStreams: async () => {
    const source = new ReadableStream({
      start(controller) {
        controller.enqueue("a€");
        controller.close();
      },
    });
    let out = "";
    const piped = source.pipeThrough(new TextEncoderStream()).pipeThrough(new TextDecoderStream());
    for await (const part of piped) out += part;
    return out;
  },
  transform: async () => {
    const upper = new TransformStream<string, string>({
      transform: (chunk, controller) => controller.enqueue(chunk.toUpperCase()),
    });
    const writer = upper.writable.getWriter();
    writer.write("a");
    writer.write("b");
    writer.close();
    const reader = upper.readable.getReader();
    const parts = [];
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return parts;
      parts.push(value);
    }
  },
  byob: async () => {
    const stream = new ReadableStream({
      type: "bytes",
      start(controller) {
        controller.enqueue(new Uint8Array([1, 2, 3]));
        controller.close();
      },
    });
    const reader = stream.getReader({ mode: "byob" });
    const first = await reader.read(new Uint8Array(2));
    const second = await reader.read(new Uint8Array(2));
    return [reader instanceof ReadableStreamBYOBReader, [...first.value!], [...second.value!]];
  },
  tee: async () => {
    const [a, b] = new Blob(["twice"]).stream().tee();
    return [await text(a), await text(b)];
  },
  blobs: async () => {
    const file = new File([new Blob(["ab"]), "c"], "x.txt", {
      type: "text/plain",
      lastModified: 5,
    });
    return [
      await file.slice(1).text(),
      file.name,
      file.type,
      file.lastModified,
      file instanceof Blob,
      (await file.arrayBuffer()).byteLength,
    ];
  },
  forms: () => {
    const form = new FormData();
    form.append("a", "1");
    form.append("a", "2");
    form.set("f", new Blob(["x"]), "f.bin");
    return [form.getAll("a"), (form.get("f") as File).name];
  },
  headers: () => {
    const headers = new Headers({ "X-B": "1", "X-A": "2" });
    headers.append("x-b", "3");
    headers.append("set-cookie", "a=1");
    headers.append("set-cookie", "b=2");
    return [headers.get("X-b"), headers.getSetCookie(), headers.has("x-a")];
  },
  headerOrder: () => {
    const headers = new Headers([["b", "1"], ["A", "2"], ["b", "3"]]);
    const seen: string[] = [];
    headers.forEach((value, name) => seen.push(`${name}=${value}`));
    return [
      [...headers],
      [...headers.keys()],
      [...headers.values()],
      seen,
      [...new Headers(headers)],
      headers.get("b"),
    ];
  },
  sharedMemory: () =>
    [new SharedArrayBuffer(8), new Uint8Array(new SharedArrayBuffer(8))].map((value) => {
      try {
        return typeof structuredClone(value);
      } catch (error) {
        return (error as DOMException).name;
      }
    }),
  responses: async () => {
    const response = Response.json({ a: 1 }, { status: 201, headers: { "x-y": "z" } });
    const copy = response.clone();
    return [
      response.status,
      response.ok,
      response.headers.get("content-type"),
      await response.json(),
      response.bodyUsed,
      await copy.text(),
      Response.redirect("https://example.com/", 303).headers.get("location"),
    ];
  },
  requests: async () => {
    const request = new Request("https://example.com/a", {
      method: "post",
      body: "hi",
      headers: { a: "b" },
    });
    return [request.method, request.url, request.headers.get("a"), await request.text()];
  },
  getWithBody: () =>
    message(() => new Request("https://example.com/", { body: "x" })).then((m) => m !== ""),
  bodiless: async () => {
    const made = [204, 205, 304].map((status) => new Response("", { status }));
    const texts = await Promise.all(made.map((response) => response.text()));
    return [
      ...made.map(({ status, body }) => [status, body]),
      texts.join(),
      !(await message(() => new Response("x", { status: 205 }))).startsWith("no error"),
      made[0] instanceof Response && made[0].constructor === Response,
      new (class Own extends Response {})("text").constructor.name,
    ];
  },
  badStatus: () => {
    try {
      return new Response(null, { status: 99 });
    } catch (error) {
      return (error as Error).name;
    }
  },
  events: () => {
    const seen: unknown[] = [];
    const target = new EventTarget();
    target.addEventListener("x", (event) => seen.push(event.type), { once: true });
    target.dispatchEvent(new Event("x"));
    target.dispatchEvent(new Event("x"));
    const controller = new AbortController();
    controller.signal.onabort = () => seen.push("aborted");
    controller.abort();
    seen.push((controller.signal.reason as DOMException).name);
    seen.push(AbortSignal.any([controller.signal]).aborted);
    return seen;
  },
  clones: () => {
    const value = {
      map: new Map([["a", new Date(1)]]),
      set: new Set([1n]),
      error: new RangeError("r"),
    };
    const copy = structuredClone(value);
    return [
      copy.map.get("a")!.getTime(),
      copy.set.has(1n),
      copy.error instanceof RangeError,
      copy.map !== value.map,
    ];
  },
  notCloneable: () => {
    try {
      return structuredClone(() => {});
    } catch (error) {
      return (error as DOMException).name;
    }
  },
  wasm: async () => {
    // (module (func (export "add") (param i32 i32) (result i32) local.get 0 local.get 1 i32.add))
    const code = Uint8Array.fromHex(
      "0061736d0100000001070160027f7f017f030201000707010361646400000a09010700200020016a0b",
    );
    const add = (instance: WebAssembly.Instance) =>
      (instance.exports.add as (a: number, b: number) => number)(2, 3);
    const sync = new WebAssembly.Instance(new WebAssembly.Module(code));
    const { instance } = await WebAssembly.instantiate(code);
    return [add(sync), add(instance)];
  },
  intl: () => [
    new Intl.NumberFormat("de-DE", { style: "currency", currency: "EUR" }).format(1234.5),
    new Intl.DateTimeFormat("en-US", { dateStyle: "medium" }).format(new Date(0)),
    Intl.DateTimeFormat().resolvedOptions().timeZone,
    ["b", "ä", "a"].toSorted(new Intl.Collator("de").compare).join(""),
    (1234.5).toLocaleString(),
    new Date(0).toString(),
  ],
  localStorage: async () => {
    const Storage = global.AsyncLocalStorage as new () => {
      run<T>(value: unknown, body: () => T): T;
      getStore(): unknown;
    };
    const storage = new Storage();
    const later = await storage.run("in", async () => {
      await null;
      return storage.getStore();
    });
    return [later, storage.getStore() ?? null];
  },
  digests: () =>
    Promise.all(
      ["SHA-1", "SHA-256", "SHA-384", "SHA-512"].map(async (name) =>
        hex(await crypto.subtle.digest(name, bytesOf("abc"))).slice(0, 8)
      ),
    ),
  hmac: async () => {
    const algorithm = { name: "HMAC", hash: "SHA-256" };
    const key = await crypto.subtle.importKey("raw", bytesOf("key"), algorithm, false, [
      "sign",
      "verify",
    ]);
    const signature = await crypto.subtle.sign("HMAC", key, bytesOf("data"));
    return [
      hex(signature).slice(0, 8),
      await crypto.subtle.verify("HMAC", key, signature, bytesOf("data")),
    ];
  },
  aes: async () => {
    const results = [];
    const iv = new Uint8Array(16);
    for (
      const algorithm of [
        { name: "AES-GCM", iv: iv.slice(0, 12) },
        { name: "AES-CBC", iv },
        { name: "AES-CTR", counter: iv, length: 64 },
      ]
    ) {
      const key = await crypto.subtle
        .importKey("raw", new Uint8Array(32), algorithm.name, true, ["encrypt", "decrypt"]);
      const secret = await crypto.subtle.encrypt(algorithm, key, bytesOf("secret"));
      results.push(new TextDecoder().decode(await crypto.subtle.decrypt(algorithm, key, secret)));
    }
    return results;
  },
  derived: async () => {
    const key = await crypto.subtle.importKey("raw", bytesOf("password"), "PBKDF2", false, [
      "deriveBits",
    ]);
    const base = await crypto.subtle.importKey("raw", bytesOf("password"), "HKDF", false, [
      "deriveBits",
    ]);
    const options = { hash: "SHA-256", salt: bytesOf("salt") };
    const pbkdf2 = await crypto.subtle
      .deriveBits({ name: "PBKDF2", iterations: 1, ...options }, key, 128);
    const hkdf = await crypto.subtle
      .deriveBits({ name: "HKDF", info: new Uint8Array(), ...options }, base, 128);
    return [hex(pbkdf2).slice(0, 8), hex(hkdf).length];
  },
  ed25519: async () => {
    const pkcs8 = Uint8Array.fromBase64(
      "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g",
    );
    const key = await crypto.subtle.importKey("pkcs8", pkcs8, "Ed25519", true, ["sign"]);
    const { x } = await crypto.subtle.exportKey("jwk", key);
    const jwk = { kty: "OKP", crv: "Ed25519", x };
    const open = await crypto.subtle.importKey("jwk", jwk, "Ed25519", true, ["verify"]);
    const signature = await crypto.subtle.sign("Ed25519", key, bytesOf(""));
    return [
      hex(signature).slice(0, 8),
      await crypto.subtle.verify("Ed25519", open, signature, bytesOf("")),
    ];
  },
  codeFromStrings: async () =>
    [
      await message(() => (0, eval)("1")),
      await message(() => new Function("return 1")()),
    ].every((text) => text !== "" && !text.startsWith("no error")),
  weakReferences: () => {
    const reference = new WeakRef({ a: 1 });
    new FinalizationRegistry(() => {}).register({}, 1);
    return reference.deref()!.a;
  },
  dateAsFunction: () => typeof (Date as unknown as () => string)(),
  processIsEnvOnly: () => [Object.keys(process), Object.keys(process.env), "HOME" in process.env],
  badVariable: () => message(() => process.env["not-a-name"]),
  consoleMethods: () => Object.keys(console).toSorted(),
  selfAndGlobal: () => [self === globalThis, typeof global.Convex],
};

declare const process: { env: Record<string, string | undefined> };

export const names = query({ args: {}, handler: () => Object.keys(checks) });
const one = { args: { check: v.string() } };
const run = async (_ctx: unknown, { check }: { check: string }) => (await checks[check]!()) ?? null;
export const inQuery = query({ ...one, handler: run });
export const inMutation = mutation({ ...one, handler: run });
export const inAction = action({ ...one, handler: run });

/** What queries and mutations refuse; each must be catchable and say so. */
const refused: Record<string, Check> = {
  fetch: () => fetch("https://example.com/"),
  generateKey: () => crypto.subtle.generateKey({ name: "AES-GCM", length: 128 }, true, ["encrypt"]),
  formData: () =>
    new Response("a=1", { headers: { "content-type": "application/x-www-form-urlencoded" } })
      .formData(),
  ecdsa: async () => {
    const jwk = {
      kty: "EC",
      crv: "P-256",
      x: "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
      y: "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
      d: "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI",
    };
    const algorithm = { name: "ECDSA", namedCurve: "P-256" };
    const key = await crypto.subtle.importKey("jwk", jwk, algorithm, false, ["sign"]);
    await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, key, bytesOf("x"));
  },
};
export const refusals = query({
  args: {},
  handler: async () => {
    const found: Record<string, string> = {};
    for (const [name, body] of Object.entries(refused)) found[name] = await message(body);
    return found;
  },
});

/** Neither can this be caught. */
const transfer = () => {
  try {
    structuredClone({}, { transfer: [] });
  } catch {
    // It fails the function all the same.
  }
  return null;
};
export const transferInQuery = query({ args: {}, handler: transfer });
export const transferInAction = action({ args: {}, handler: transfer });

export const timerInQuery = query({
  args: { name: v.string() },
  handler: (_ctx, { name }) => {
    try {
      (global[name] as typeof setTimeout)(() => {}, 1);
    } catch {
      // A timer call returns; the error comes afterwards and fails the function.
    }
    return null;
  },
});

export const inActionOnly = action({
  args: {},
  handler: async () => {
    const order: number[] = [];
    await new Promise<void>((resolve) => {
      setTimeout(() => order.push(2), 200);
      setTimeout(() => order.push(1), -5);
      const interval = setInterval(() => {
        order.push(3);
        clearInterval(interval);
        resolve();
      }, 400);
    });
    const key = await crypto.subtle.generateKey({ name: "AES-GCM", length: 128 }, true, [
      "encrypt",
    ]);
    const form = await new Response("a=1", {
      headers: { "content-type": "application/x-www-form-urlencoded" },
    }).formData();
    return {
      order,
      key: (await crypto.subtle.exportKey("raw", key)).byteLength,
      form: form.get("a"),
    };
  },
});
