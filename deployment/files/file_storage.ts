// Files of a deployment: bytes in a blob store, and a document for each. The bytes are there before
// the document and go after it, so that a crash at any point leaves at most bytes that nobody names;
// those are collected when the server starts, and from time to time.

import { createHash, randomBytes, randomUUID } from "node:crypto";
import { requireMounted } from "../../engine/components.ts";
import { userError } from "../../engine/errors.ts";
import type { Engine } from "../../engine/engine.ts";
import type { Timestamp } from "../../engine/timestamp.ts";
import { SYSTEM_TABLES } from "../../engine/system_tables.ts";
import type { ComponentId, PublishedCommit, Tablet } from "../../engine/types.ts";
import { insertFile, type KeptBlob, type StoredFile } from "../../runtime/stored_files.ts";
import type { BlobStore, ByteRange } from "./blob_store.ts";

const BLOB_KEY_BYTES = 16;
const SWEEP_INTERVAL_MS = 6 * 60 * 60 * 1000;

export interface FileStorageOptions {
  readonly engine: Engine;
  readonly blobs: BlobStore;
  /** Hears of bytes that could not be removed; they are tried again later. */
  readonly onFault: (what: string, error: unknown) => void;
}

/** What the sender says about a file. */
export interface DeclaredFile {
  readonly contentType: string | null;
  /** Base64 of what the sender says the SHA-256 is. */
  readonly sha256: string | null;
}

export interface NewFile extends DeclaredFile {
  readonly component: ComponentId;
}

export class FileStorage {
  readonly #engine: Engine;
  readonly #blobs: BlobStore;
  readonly #onFault: (what: string, error: unknown) => void;
  /** Keys of blobs whose document is not there yet. */
  readonly #arriving = new Set<string>();
  readonly #stopListening: () => void;
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #removing = new Set<Promise<void>>();
  #closed = false;

  constructor({ engine, blobs, onFault }: FileStorageOptions) {
    this.#engine = engine;
    this.#blobs = blobs;
    this.#onFault = onFault;
    this.#stopListening = engine.onCommit((commit) => this.#noteCommit(commit));
    this.#timer = setInterval(() => this.#startSweep(), SWEEP_INTERVAL_MS);
    this.#startSweep();
  }

  /**
   * Stores a file. When it resolves, bytes and document are durable. A chunk of `bytes` need not be
   * valid for longer than until the next one is asked for.
   * @returns the id of its document
   * @throws PlatformError `Sha256Mismatch`, `UnmountedComponent`; whatever reading `bytes` throws
   */
  async store(bytes: AsyncIterable<Uint8Array>, file: NewFile): Promise<string> {
    const blob = await this.keep(bytes, file);
    const { component } = file;
    let isNamed = false;
    try {
      const { value } = await this.#engine.transact((tx) => {
        requireMounted(tx, component);
        return insertFile(tx, component, blob);
      }, "store_file");
      isNamed = true;
      return value;
    } finally {
      this.#arriving.delete(blob.blobKey);
      if (!isNamed) await this.#remove(blob.blobKey);
    }
  }

  /**
   * Makes the bytes of a file durable whose document a transaction is to write. They stay until
   * {@link settle} is called, or the server starts again.
   * @throws PlatformError `Sha256Mismatch`; whatever reading `bytes` throws
   */
  async keep(bytes: AsyncIterable<Uint8Array>, declared: DeclaredFile): Promise<KeptBlob> {
    const blobKey = randomBytes(BLOB_KEY_BYTES).toString("hex");
    this.#arriving.add(blobKey);
    let isKept = false;
    try {
      const { sha256, size } = await this.#write(blobKey, bytes);
      if (declared.sha256 !== null && declared.sha256 !== sha256) {
        throw userError(
          "Sha256Mismatch",
          `Sha256 mismatch. Expected: ${declared.sha256} Actual: ${sha256}`,
        );
      }
      isKept = true;
      const { contentType } = declared;
      return { storageId: randomUUID(), sha256, size, contentType, blobKey };
    } finally {
      if (!isKept) {
        this.#arriving.delete(blobKey);
        await this.#remove(blobKey);
      }
    }
  }

  /** The transaction for which bytes were kept is over: without a document they go. */
  settle(blobKey: string): void {
    if (this.#closed) return;
    this.#arriving.delete(blobKey);
    if (!this.#isNamed(blobKey)) this.#track(this.#remove(blobKey));
  }

  /** The bytes of the range; null if they went in the meantime. */
  async read(
    file: Pick<StoredFile, "blobKey">,
    range: ByteRange,
  ): Promise<ReadableStream<Uint8Array> | null> {
    return await this.#blobs.read(file.blobKey, range);
  }

  /** Removes bytes that no document names. */
  async sweep(): Promise<void> {
    for await (const key of this.#blobs.list()) {
      if (this.#closed) return;
      if (this.#arriving.has(key) || this.#isNamed(key)) continue;
      await this.#remove(key);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    this.#stopListening();
    await Promise.all(this.#removing);
  }

  async #write(
    blobKey: string,
    bytes: AsyncIterable<Uint8Array>,
  ): Promise<{ sha256: string; size: number }> {
    const hash = createHash("sha256");
    let size = 0;
    const measured = async function* () {
      for await (const chunk of bytes) {
        hash.update(chunk);
        size += chunk.length;
        yield chunk;
      }
    };
    await this.#blobs.write(blobKey, measured());
    return { sha256: hash.digest("base64"), size };
  }

  /** Removes the bytes of files whose documents a commit deleted. */
  #noteCommit(commit: PublishedCommit): void {
    for (const { tablet, id, json } of commit.writes) {
      if (json !== null) continue;
      const component = this.#fileTables().get(tablet);
      if (component === undefined) continue;
      const before = this.#engine.read(
        (tx) => tx.table("fileStorage", component).get(id),
        // The state that the commit changed.
        (commit.ts - 1) as Timestamp,
      ).value;
      if (typeof before?.blobKey === "string") this.#track(this.#remove(before.blobKey));
    }
  }

  /** The tables of files, with their components. */
  #fileTables(): Map<Tablet, ComponentId> {
    const { name } = SYSTEM_TABLES.fileStorage;
    const tables = this.#engine.read((tx) => tx.table("tables").all()).value;
    return new Map(
      tables.filter((table) => table.name === name)
        .map(({ tablet, component }) => [tablet as Tablet, component as ComponentId]),
    );
  }

  #isNamed(blobKey: string): boolean {
    const components = [...this.#fileTables().values()];
    return this.#engine.read((tx) =>
      components.some((component) =>
        tx.table("fileStorage", component).first("by_blob_key", [blobKey]) !== null
      )
    ).value;
  }

  async #remove(blobKey: string): Promise<void> {
    try {
      await this.#blobs.remove(blobKey);
    } catch (error) {
      this.#onFault("bytes of a file could not be removed", error);
    }
  }

  #startSweep(): void {
    this.#track(
      this.sweep().catch((error) => this.#onFault("unused files could not be collected", error)),
    );
  }

  #track(work: Promise<void>): void {
    this.#removing.add(work);
    work.finally(() => this.#removing.delete(work));
  }
}
