// Blobs in a bucket of an S3-compatible service. Large ones go up in parts, so that memory stays
// bounded; a part or an upload that fails leaves nothing that can be read.

import { AwsClient } from "aws4fetch";
import { Buffer } from "node:buffer";
import { type BlobStore, BlobStoreError, type ByteRange } from "./blob_store.ts";

/** S3 takes no smaller parts but the last one, and at most 10 000 of them. */
const FIRST_PART_BYTES = 8 * 1024 * 1024;
/** Parts grow, so that 10 000 are enough for the largest object that S3 takes. */
const PARTS_OF_ONE_SIZE = 1000;
const KEY = /^[0-9a-f]{32}$/;

export interface S3Options {
  /** `https://s3.example.com`; the bucket is the first part of the path. */
  readonly endpoint: string;
  readonly bucket: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Stands before the keys, so that several deployments can share a bucket. */
  readonly prefix: string;
}

export class S3BlobStore implements BlobStore {
  readonly #client: AwsClient;
  readonly #bucketUrl: string;
  readonly #prefix: string;

  constructor(options: S3Options) {
    const { endpoint, bucket, region, accessKeyId, secretAccessKey, prefix } = options;
    // Retries of what is safe to repeat (5xx, 429), with backoff, are the client's.
    this.#client = new AwsClient({ accessKeyId, secretAccessKey, region, service: "s3" });
    this.#bucketUrl = `${endpoint.replace(/\/+$/, "")}/${encodeURIComponent(bucket)}`;
    this.#prefix = prefix;
  }

  async write(key: string, bytes: AsyncIterable<Uint8Array>): Promise<void> {
    const iterator = partsOf(bytes);
    try {
      const first = await iterator.next();
      const second = first.done ? first : await iterator.next();
      const start: Uint8Array = first.done ? new Uint8Array() : first.value;
      if (second.done) return await this.#put(this.#url(key), start);
      await this.#putParts(key, [start, second.value], iterator);
    } finally {
      await iterator.return(undefined);
    }
  }

  async read(key: string, { start, end }: ByteRange): Promise<ReadableStream<Uint8Array> | null> {
    // An empty range cannot be said in a header.
    if (start === end) return await this.#exists(key) ? new Blob([]).stream() : null;
    const response = await this.#client.fetch(this.#url(key), {
      headers: { range: `bytes=${start}-${end - 1}` },
    });
    if (response.status === 404) {
      await response.body?.cancel();
      return null;
    }
    if (response.status === 206) return response.body;
    // Some services answer with the whole object when the range is all of it.
    const length = response.headers.get("content-length");
    if (response.status === 200 && start === 0 && length === String(end)) return response.body;
    throw await failure("read", response);
  }

  async remove(key: string): Promise<void> {
    const response = await this.#client.fetch(this.#url(key), { method: "DELETE" });
    if (!response.ok && response.status !== 404) throw await failure("remove", response);
    await response.body?.cancel();
  }

  async *list(): AsyncIterable<string> {
    let token: string | null = null;
    do {
      const query = new URLSearchParams({ "list-type": "2", prefix: this.#prefix });
      if (token !== null) query.set("continuation-token", token);
      const response = await this.#client.fetch(`${this.#bucketUrl}?${query}`);
      if (!response.ok) throw await failure("list", response);
      const page = await response.text();
      for (const name of elements(page, "Key")) {
        const key = name.slice(this.#prefix.length);
        // Whatever else is in the bucket is not ours to remove.
        if (name.startsWith(this.#prefix) && KEY.test(key)) yield key;
      }
      token = elements(page, "NextContinuationToken")[0] ?? null;
    } while (token !== null);
  }

  async #putParts(
    key: string,
    first: readonly Uint8Array[],
    rest: AsyncIterator<Uint8Array>,
  ): Promise<void> {
    const url = this.#url(key);
    const created = await this.#client.fetch(`${url}?uploads`, { method: "POST" });
    if (!created.ok) throw await failure("start an upload", created);
    const [uploadId] = elements(await created.text(), "UploadId");
    if (uploadId === undefined) throw new BlobStoreError("the service named no upload");
    const upload = `uploadId=${encodeURIComponent(uploadId)}`;
    try {
      const tags: string[] = [];
      const send = async (part: Uint8Array) => {
        const number = tags.length + 1;
        tags.push(await this.#putPart(`${url}?partNumber=${number}&${upload}`, part));
      };
      for (const part of first) await send(part);
      for (let next = await rest.next(); !next.done; next = await rest.next()) {
        await send(next.value);
      }
      await this.#complete(`${url}?${upload}`, tags);
    } catch (error) {
      const aborted = await this.#client.fetch(`${url}?${upload}`, { method: "DELETE" });
      await aborted.body?.cancel();
      throw error;
    }
  }

  async #putPart(url: string, bytes: Uint8Array): Promise<string> {
    const response = await this.#client.fetch(url, { method: "PUT", body: bytes as BodyInit });
    const tag = response.headers.get("etag");
    if (!response.ok || tag === null) throw await failure("write a part", response);
    await response.body?.cancel();
    return tag;
  }

  async #complete(url: string, tags: readonly string[]): Promise<void> {
    const parts = tags.map((tag, index) =>
      `<Part><PartNumber>${index + 1}</PartNumber><ETag>${tag}</ETag></Part>`
    );
    const body = `<CompleteMultipartUpload>${parts.join("")}</CompleteMultipartUpload>`;
    const response = await this.#client.fetch(url, { method: "POST", body });
    if (!response.ok) throw await failure("complete an upload", response);
    // The service may find out after it has begun to answer.
    const answer = await response.text();
    if (answer.includes("<Error>")) throw new BlobStoreError(`an upload failed: ${answer}`);
  }

  async #put(url: string, bytes: Uint8Array): Promise<void> {
    const response = await this.#client.fetch(url, { method: "PUT", body: bytes as BodyInit });
    if (!response.ok) throw await failure("write", response);
    await response.body?.cancel();
  }

  async #exists(key: string): Promise<boolean> {
    const response = await this.#client.fetch(this.#url(key), { method: "HEAD" });
    if (response.ok) return true;
    if (response.status === 404) return false;
    throw await failure("look for", response);
  }

  #url(key: string): string {
    return `${this.#bucketUrl}/${this.#prefix}${key}`;
  }
}

/** The same bytes in parts as S3 wants them; one part is in memory, and the chunk that fills it. */
async function* partsOf(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let chunks: Uint8Array[] = [];
  let size = 0;
  let count = 0;
  for await (const chunk of bytes) {
    // The sender's buffer is used again.
    chunks.push(chunk.slice());
    size += chunk.length;
    if (size < FIRST_PART_BYTES * 2 ** Math.floor(count / PARTS_OF_ONE_SIZE)) continue;
    count++;
    yield Buffer.concat(chunks, size);
    [chunks, size] = [[], 0];
  }
  if (size > 0) yield Buffer.concat(chunks, size);
}

/** The texts of the elements of that name: the answers that are read here are flat. */
function elements(xml: string, name: string): string[] {
  const pattern = new RegExp(`<${name}>([^<]*)</${name}>`, "g");
  return Array.from(xml.matchAll(pattern), ([, text]) => unescapeXml(text!));
}

function unescapeXml(text: string): string {
  return text.replace(/&(lt|gt|quot|apos|amp);/g, (_, name: string) => ENTITIES[name]!);
}

const ENTITIES: Readonly<Record<string, string>> = {
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
  amp: "&",
};

async function failure(what: string, response: Response): Promise<BlobStoreError> {
  const text = await response.text().catch(() => "");
  return new BlobStoreError(`S3 could not ${what}: ${response.status} ${text.slice(0, 500)}`);
}
