// Fetches what auth providers publish (discovery documents, key sets), with bounds on time and size
// against issuers that are slow or lie. Answers are kept only as far as their `Cache-Control`
// permits (spec services 4.2); failures are never kept, so a provider that is up again serves at once.

import { type ProviderFetch, unguardedFetch } from "./provider_fetch.ts";

const FETCH_TIMEOUT_MS = 10_000;
const DOCUMENT_BYTES_MAX = 1024 * 1024;
const CACHE_BYTES_MAX = 16 * 1024 * 1024;
/** A longer `max-age` counts as this: a key that was withdrawn shall not live for ever. */
const CACHE_AGE_MS_MAX = 24 * 60 * 60 * 1000;
/** How old a kept document must be before an unknown key makes it worth asking again. */
const RENEWAL_AGE_MS_MIN = 10_000;
const FETCHES_IN_FLIGHT_MAX = 64;

/** An answer of a provider. */
export interface ProviderDocument {
  readonly status: number;
  readonly statusText: string;
  readonly contentType: string;
  readonly body: string;
  /** What `derive` made of the body, so that keys are imported once for each fetched key set. */
  derived?: unknown;
}

interface Kept {
  readonly document: ProviderDocument;
  readonly bytes: number;
  readonly fetchedAtMs: number;
  readonly expiresAtMs: number;
}

export interface ProviderDocumentsOptions {
  readonly clock: () => number;
  /** Ends fetches when the server closes. */
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
  /** Default: wherever the URL leads to. */
  readonly fetch?: ProviderFetch;
}

export class ProviderDocuments {
  /** By URL, the least recently used first. */
  readonly #kept = new Map<string, Kept>();
  #keptBytes = 0;
  readonly #inFlight = new Map<string, Promise<ProviderDocument>>();

  constructor(private readonly options: ProviderDocumentsOptions) {}

  /**
   * The document at an `http:`, `https:` or `data:` URL. Callers that want the same one at the same
   * time share a fetch.
   * @throws Error with the reason in its message when there is no answer
   */
  async get(url: string): Promise<ProviderDocument> {
    return this.#usable(url)?.document ?? await this.#fetchShared(url);
  }

  /**
   * The document after a look at the provider, or null when a newer one than `get` gave is not to
   * be had: it was fetched just now.
   * @throws Error like `get`
   */
  async renewed(url: string): Promise<ProviderDocument | null> {
    if (url.startsWith("data:")) return null;
    const kept = this.#usable(url);
    if (kept === undefined) return null;
    if (this.options.clock() - kept.fetchedAtMs < RENEWAL_AGE_MS_MIN) return null;
    return await this.#fetchShared(url);
  }

  /** Bytes of kept documents; never more than 16 MiB. */
  get keptBytes(): number {
    return this.#keptBytes;
  }

  #usable(url: string): Kept | undefined {
    const kept = this.#kept.get(url);
    if (kept === undefined) return undefined;
    this.#drop(url);
    if (this.options.clock() >= kept.expiresAtMs) return undefined;
    this.#add(url, kept);
    return kept;
  }

  #fetchShared(url: string): Promise<ProviderDocument> {
    const running = this.#inFlight.get(url);
    if (running !== undefined) return running;
    if (this.#inFlight.size >= FETCHES_IN_FLIGHT_MAX) {
      return Promise.reject(new Error("too many requests to auth providers are under way"));
    }
    const fetching = this.#fetch(url).finally(() => this.#inFlight.delete(url));
    this.#inFlight.set(url, fetching);
    return fetching;
  }

  async #fetch(url: string): Promise<ProviderDocument> {
    const timeoutMs = this.options.timeoutMs ?? FETCH_TIMEOUT_MS;
    const timeout = AbortSignal.timeout(timeoutMs);
    const closing = this.options.signal;
    const signal = closing === undefined ? timeout : AbortSignal.any([timeout, closing]);
    try {
      // `fetch` would read local files, too.
      if (!/^(https?|data):/i.test(url)) throw new Error("the URL must be http or https");
      const response = await (this.options.fetch ?? unguardedFetch)(url, signal);
      const document: ProviderDocument = {
        status: response.status,
        statusText: response.statusText,
        contentType: response.headers.get("content-type") ?? "",
        body: await readBounded(response),
      };
      const ageMs = url.startsWith("data:") ? Infinity : permittedAgeMs(response.headers);
      if (response.status === 200 && ageMs > 0) this.#keep(url, document, ageMs);
      return document;
    } catch (error) {
      if (timeout.aborted) throw new Error(`no answer within ${timeoutMs / 1000} seconds`);
      throw error;
    }
  }

  #keep(url: string, document: ProviderDocument, ageMs: number): void {
    const now = this.options.clock();
    const bytes = url.length + document.body.length;
    if (bytes > CACHE_BYTES_MAX) return;
    this.#drop(url);
    this.#add(url, { document, bytes, fetchedAtMs: now, expiresAtMs: now + ageMs });
    for (const oldest of this.#kept.keys()) {
      if (this.#keptBytes <= CACHE_BYTES_MAX) break;
      this.#drop(oldest);
    }
  }

  #add(url: string, kept: Kept): void {
    this.#kept.set(url, kept);
    this.#keptBytes += kept.bytes;
  }

  #drop(url: string): void {
    this.#keptBytes -= this.#kept.get(url)?.bytes ?? 0;
    this.#kept.delete(url);
  }
}

/** @throws Error when the body is longer than `DOCUMENT_BYTES_MAX` */
async function readBounded(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  // Leaving the loop by an error cancels the body.
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > DOCUMENT_BYTES_MAX) throw new Error("the response is larger than 1 MiB");
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

/** How long the answer may be kept; 0 without a `Cache-Control` that permits it. */
export function permittedAgeMs(headers: Headers): number {
  const directives = (headers.get("cache-control") ?? "").toLowerCase().split(",")
    .map((directive) => directive.trim());
  if (directives.some((directive) => /^no-(store|cache)\b/.test(directive))) return 0;
  const maxAge = directives.map((directive) => /^max-age="?(\d+)"?$/.exec(directive)?.[1])
    .find((seconds) => seconds !== undefined);
  if (maxAge === undefined) return 0;
  const age = /^\d+$/.test(headers.get("age") ?? "") ? Number(headers.get("age")) : 0;
  return Math.min(Math.max(0, Number(maxAge) - age) * 1000, CACHE_AGE_MS_MAX);
}
