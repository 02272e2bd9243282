// Blobs in a local directory: one file each, in 256 folders by the first digits of the key. A blob is
// written under `incoming/` and moves to its place when it is complete and on the disk.

import { type BlobStore, BlobStoreError, type ByteRange } from "./blob_store.ts";

const INCOMING = "incoming";
const FOLDER_DIGITS = 2;
const READ_BYTES = 256 * 1024;
const KEY = /^[0-9a-f]{32}$/;

export class LocalBlobStore implements BlobStore {
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /** Creates the directory if need be; removes uploads that a crash interrupted. */
  static async open(directory: string): Promise<LocalBlobStore> {
    const incoming = `${directory}/${INCOMING}`;
    await Deno.mkdir(incoming, { recursive: true, mode: 0o700 });
    for await (const { name } of Deno.readDir(incoming)) await Deno.remove(`${incoming}/${name}`);
    return new LocalBlobStore(directory);
  }

  /** The store as another program may look at it: nothing is created or removed. */
  static forReading(directory: string): Pick<BlobStore, "read"> {
    return new LocalBlobStore(directory);
  }

  async write(key: string, bytes: AsyncIterable<Uint8Array>): Promise<void> {
    const incoming = `${this.#directory}/${INCOMING}/${key}`;
    const folder = this.#folder(key);
    try {
      using file = await Deno.open(incoming, { write: true, createNew: true, mode: 0o600 });
      for await (const chunk of bytes) {
        for (let position = 0; position < chunk.length;) {
          position += await file.write(chunk.subarray(position));
        }
      }
      await file.sync();
      await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
      await Deno.rename(incoming, this.#path(key));
      await syncDirectory(folder);
      await syncDirectory(this.#directory);
    } catch (error) {
      await removeFile(incoming);
      throw error;
    }
  }

  async read(key: string, { start, end }: ByteRange): Promise<ReadableStream<Uint8Array> | null> {
    let file: Deno.FsFile;
    try {
      file = await Deno.open(this.#path(key));
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return null;
      throw error;
    }
    try {
      const { size } = await file.stat();
      if (size < end) throw new BlobStoreError(`the file of ${key} is shorter than it was`);
      // A whole file goes from the disk to the client without passing through JavaScript.
      if (start === 0 && end === size && size > 0) return file.readable;
      if (start > 0) await file.seek(start, Deno.SeekMode.Start);
    } catch (error) {
      file.close();
      throw error;
    }
    return readUpTo(file, end - start);
  }

  async remove(key: string): Promise<void> {
    await removeFile(this.#path(key));
  }

  async *list(): AsyncIterable<string> {
    for await (const folder of Deno.readDir(this.#directory)) {
      if (!folder.isDirectory || folder.name.length !== FOLDER_DIGITS) continue;
      for await (const { name } of Deno.readDir(`${this.#directory}/${folder.name}`)) {
        if (KEY.test(name)) yield name;
      }
    }
  }

  #folder(key: string): string {
    return `${this.#directory}/${key.slice(0, FOLDER_DIGITS)}`;
  }

  #path(key: string): string {
    return `${this.#folder(key)}/${key}`;
  }
}

/** The next `size` bytes of the file, which is closed at the end. */
function readUpTo(file: Deno.FsFile, size: number): ReadableStream<Uint8Array> {
  let left = size;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const buffer = new Uint8Array(Math.min(left, READ_BYTES));
        const count = left === 0 ? 0 : await file.read(buffer);
        if (count === null) throw new Error("the file is shorter than it was");
        left -= count;
        if (count > 0) controller.enqueue(buffer.subarray(0, count));
        if (left > 0) return;
        file.close();
        controller.close();
      } catch (error) {
        file.close();
        throw error;
      }
    },
    cancel() {
      file.close();
    },
  }, { highWaterMark: 0 });
}

/** Makes the names in the directory durable. */
async function syncDirectory(path: string): Promise<void> {
  using directory = await Deno.open(path);
  await directory.sync();
}

async function removeFile(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
