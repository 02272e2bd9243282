// What the writing half asks of the disk beyond SQLite itself. Injectable, so that tests can make a
// write or a flush fail, or hold it back.

/** An open file whose content can be forced to stable storage. */
export interface SyncFile {
  /** Resolves when everything written to the file before the call is on stable storage. */
  syncData(): Promise<void>;
  close(): void;
}

export interface Disk {
  openForSync(path: string): SyncFile;
  /** Makes the names of newly created files in the directory survive a power loss. */
  syncDirectory(path: string): void;
  /** Called before each group of commits is handed to SQLite; may throw, as SQLite may. */
  willWrite(): void;
}

/** The machine's disk. */
export const REAL_DISK: Disk = {
  // Opened for writing: some systems refuse to flush a file that is open for reading only.
  openForSync: (path) => Deno.openSync(path, { read: true, write: true }),
  syncDirectory(path) {
    if (Deno.build.os === "windows") return; // Directories cannot be opened there, nor need it.
    const directory = Deno.openSync(path, { read: true });
    try {
      directory.syncSync();
    } finally {
      directory.close();
    }
  },
  willWrite() {},
};
