// At most one server may own a database file: two committers on one file would both believe that
// their memory of the latest commits is complete. The lock is the kernel's, on a file beside the
// database, so that it ends with the process however the process ends.

import { DatabaseOpenError } from "./open_error.ts";

/** The lock of a database, held until it is released or the process ends. */
export class DataLock {
  readonly #file: Deno.FsFile;
  #isReleased = false;

  private constructor(file: Deno.FsFile) {
    this.#file = file;
  }

  /** @throws DatabaseOpenError when another process holds the lock or the file cannot be made. */
  static acquire(databasePath: string): DataLock {
    const path = `${databasePath}.lock`;
    let file: Deno.FsFile;
    try {
      file = Deno.openSync(path, { write: true, create: true, mode: 0o600 });
    } catch (error) {
      throw new DatabaseOpenError(`Cannot create ${path}: ${(error as Error).message}`);
    }
    if (!file.tryLockSync(true)) {
      file.close();
      throw new DatabaseOpenError(`The database ${databasePath} is in use by another server.`);
    }
    return new DataLock(file);
  }

  /** Doing it twice does no harm. */
  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    // Closing is not enough: a child that is being started right now by another thread still holds
    // a copy of the descriptor, and with it the lock.
    this.#file.unlockSync();
    // The file itself stays: removing it would let two servers lock two different files.
    this.#file.close();
  }
}
