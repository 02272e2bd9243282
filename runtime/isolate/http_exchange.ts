// The request and the response of one HTTP action (spec function-runtime 3.4): live objects for user
// code, byte streams on the pipe.

import { types } from "node:util";
import { userError } from "../../engine/errors.ts";
import { formatSize } from "../../engine/values/size.ts";
import type { ByteStreams } from "../byte_streams.ts";
import type { LimitUsage } from "../limit_usage.ts";
import { HTTP_BODY_STREAM } from "../stream_frames.ts";
import type { HttpRequestHead, HttpResponseHead } from "../types.ts";
import type { LogLines } from "./console.ts";
import { nextTurn, rejectionsReported } from "./host.ts";
import { HTTP_RESPONSE_WARNING, warnNearLimit } from "./limit_warnings.ts";

/** A response that is there at once, up to this size, travels with its head. */
const ARRIVED_BYTES_MAX = 64 * 1024;
const STATUS_MIN = 200;
const STATUS_MAX = 599;

/** The part of `HttpRouter` that the platform calls. */
interface Router {
  lookup(path: string, method: string): readonly [unknown, string, string] | null;
  runRequest(request: string, path: string): Promise<unknown>;
}

export interface HttpExchangeOptions {
  readonly head: HttpRequestHead;
  readonly streams: ByteStreams;
  readonly log: LogLines;
  readonly usage: LimitUsage;
  /** Bytes of a response body; the rest is dropped. */
  readonly responseBytesMax: number;
  respond(head: HttpResponseHead): void;
}

export class HttpExchange {
  readonly #options: HttpExchangeOptions;
  readonly #abort = new AbortController();
  #response: Response | null = null;

  constructor(options: HttpExchangeOptions) {
    this.#options = options;
  }

  /** Why nobody can say who sends the request; null if the credentials are good, or there are none. */
  get authError(): string | null {
    return this.#options.head.authError;
  }

  /** The live request, for `requestFromConvexJson`. */
  request(): Request {
    const { method, url, headers, hasBody } = this.#options.head;
    return new Request(url, {
      method,
      headers: headers as [string, string][],
      body: hasBody ? this.#options.streams.incoming(HTTP_BODY_STREAM) : null,
      signal: this.#abort.signal,
      duplex: "half",
    } as RequestInit);
  }

  /** Takes the live response, for `convexJsonFromResponse`. */
  setResponse(response: unknown): null {
    if (!(response instanceof Response)) {
      throw new Error("HTTP actions must return a Response");
    }
    this.#response = response;
    return null;
  }

  /** The client left. */
  disconnect(): void {
    this.#abort.abort(new DOMException("The client closed the connection.", "AbortError"));
  }

  /** Runs the handler of the route; resolves when the whole answer is on its way. */
  async run(exported: unknown): Promise<void> {
    const router = requireRouter(exported);
    const { path, method } = this.#options.head;
    const found = path === null ? null : router.lookup(path, method);
    if (path === null || found === null) return await this.notFound("No matching routes found");
    await router.runRequest("null", path);
    await rejectionsReported();
    const response = this.#response;
    if (response === null) throw new Error("HTTP actions must return a Response");
    await this.#send(response, found[2]);
  }

  /** Answers 404 in the name of the platform. */
  async notFound(message: string): Promise<void> {
    const headers = { "content-type": "text/plain; charset=utf-8" };
    await this.#send(new Response(message, { status: 404, headers }), null);
  }

  async #send(response: Response, route: string | null): Promise<void> {
    const { status, headers, body } = response;
    if (status < STATUS_MIN || status > STATUS_MAX) {
      throw userError("InvalidHttpResponse", `HTTP actions cannot answer with status ${status}`);
    }
    const sender = new ResponseSender(this.#options, { status, headers: [...headers], route });
    if (body === null) return sender.sendWithoutBody();
    await sender.sendBody(body);
  }
}

/**
 * Sends the head, and the body as it is produced. A body that ends in the turn in which it began
 * goes in one piece with the head, so that its length is known.
 */
class ResponseSender {
  readonly #options: HttpExchangeOptions;
  readonly #head: Omit<HttpResponseHead, "body">;
  readonly #dropsBody: boolean;
  /** Chunks of a response whose head waits for them; null when it was sent. */
  #early: Uint8Array[] | null = [];
  #earlyBytes = 0;
  #bytes = 0;
  #isTooLarge = false;

  constructor(options: HttpExchangeOptions, head: Omit<HttpResponseHead, "body">) {
    this.#options = options;
    this.#head = head;
    this.#dropsBody = options.head.method === "HEAD";
  }

  sendWithoutBody(): void {
    this.#options.respond({ ...this.#head, body: "none" });
  }

  async sendBody(body: ReadableStream<Uint8Array>): Promise<void> {
    const { streams, log, usage, responseBytesMax } = this.#options;
    const outgoing = streams.outgoing(HTTP_BODY_STREAM);
    const startStreaming = (): void => {
      const early = this.#early;
      if (early === null) return;
      this.#early = null;
      this.#options.respond({ ...this.#head, body: "stream" });
      // The answer to HEAD is a stream of nothing, so that no length is claimed for it.
      if (this.#dropsBody) return outgoing.end(null);
      // They are less than the window: nothing here waits.
      for (const chunk of early) outgoing.write(chunk);
    };
    nextTurn(startStreaming);
    const reader = body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      const chunk = toBytes(value);
      this.#bytes += chunk.length;
      if (this.#bytes > responseBytesMax) this.#reportTooLarge();
      // The function goes on though nobody listens any more: what it sends is dropped.
      if (this.#isTooLarge || chunk.length === 0) continue;
      if (this.#early === null) {
        if (!this.#dropsBody) await outgoing.write(chunk);
        continue;
      }
      this.#early.push(chunk);
      this.#earlyBytes += chunk.length;
      if (this.#earlyBytes > ARRIVED_BYTES_MAX) {
        const last = this.#early.pop()!;
        startStreaming();
        if (!this.#dropsBody) await outgoing.write(last);
      }
    }
    usage.note("httpResponseBytes", this.#bytes);
    warnNearLimit(log, HTTP_RESPONSE_WARNING, this.#bytes, responseBytesMax);
    if (this.#early === null) return this.#dropsBody ? undefined : outgoing.end(null);
    if (this.#dropsBody) return this.#sendLength();
    for (const chunk of this.#early) outgoing.write(chunk);
    this.#early = null;
    this.#options.respond({ ...this.#head, body: "arrived" });
  }

  /** The answer to HEAD says how long the answer to GET is. */
  #sendLength(): void {
    this.#early = null;
    const { headers } = this.#head;
    const length = ["content-length", String(this.#bytes)] as const;
    const hasLength = headers.some(([name]) => name === "content-length");
    const completed = hasLength ? headers : [...headers, length];
    this.#options.respond({ ...this.#head, headers: completed, body: "none" });
  }

  #reportTooLarge(): void {
    if (this.#isTooLarge) return;
    this.#isTooLarge = true;
    const { log, responseBytesMax } = this.#options;
    log.addSystem(
      "ERROR",
      `HttpResponseTooLarge: HTTP actions support responses up to ${formatSize(responseBytesMax)}`,
      "error:httpAction",
    );
  }
}

/** @throws TypeError for a chunk that is no bytes */
function toBytes(chunk: unknown): Uint8Array {
  if (types.isUint8Array(chunk)) return chunk;
  throw new TypeError("The body of a Response must be a stream of Uint8Array chunks");
}

function requireRouter(exported: unknown): Router {
  const isRouter = typeof exported === "object" && exported !== null && "isRouter" in exported &&
    exported.isRouter === true;
  if (isRouter) return exported as unknown as Router;
  throw userError(
    "InvalidHttpRouter",
    "The default export of `convex/http.js` is not a Router.",
  );
}
