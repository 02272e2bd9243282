// Forces the write-ahead log to stable storage, off the host's thread. One flush covers everything
// that was written before it began: whoever asks while one is running shares the next.

import type { SyncFile } from "./disk.ts";

export class Durability {
  readonly #file: SyncFile;
  /** The flush that has not begun yet and that new requests join. */
  #next: Promise<void> | null = null;
  #running: Promise<void> = Promise.resolve();

  constructor(file: SyncFile) {
    this.#file = file;
  }

  /**
   * Resolves when everything written before the call is durable; calls resolve in order.
   * Rejects when the disk fails, and so does every later call: what a failed flush has dropped, a
   * repeated one may silently not write.
   */
  flush(): Promise<void> {
    if (this.#next === null) {
      this.#next = this.#running.then(() => {
        this.#running = this.#next!;
        this.#next = null;
        return this.#file.syncData();
      });
    }
    return this.#next;
  }

  /** Waits for what was asked and closes the file. */
  async close(): Promise<void> {
    await this.#next?.catch(() => {});
    await this.#running.catch(() => {});
    this.#file.close();
  }
}
