// A disk for the fuzzer: knows which part of the write-ahead log has been flushed, and flushes nothing.
// Its files stand for what is in the operating system's memory; a copy cut to the flushed length
// stands for what a power loss leaves.

import type { Disk, SyncFile } from "../../engine/disk.ts";

export class SimulatedDisk implements Disk {
  #flushedBytes: number;

  /** @param flushedBytes how much of the log that is there already has reached the disk */
  constructor(flushedBytes = 0) {
    this.#flushedBytes = flushedBytes;
  }

  get flushedBytes(): number {
    return this.#flushedBytes;
  }

  openForSync(path: string): SyncFile {
    return {
      syncData: async () => {
        const { size } = Deno.statSync(path);
        await Promise.resolve();
        this.#flushedBytes = size;
      },
      close() {},
    };
  }

  syncDirectory(): void {}

  willWrite(): void {}

  /**
   * Copies the database as a power loss would leave it.
   * @param tornBytes how much of what was not flushed has reached the disk nevertheless
   * @returns the disk that the copy is on
   */
  copyAfterPowerLoss(from: string, to: string, tornBytes: number): SimulatedDisk {
    Deno.copyFileSync(from, to);
    const log = Deno.readFileSync(`${from}-wal`).subarray(0, this.#flushedBytes + tornBytes);
    Deno.writeFileSync(`${to}-wal`, log);
    return new SimulatedDisk(log.length);
  }

  /** Copies the database as the next process finds it when this one is killed. */
  copyAfterKill(from: string, to: string): SimulatedDisk {
    Deno.copyFileSync(from, to);
    Deno.copyFileSync(`${from}-wal`, `${to}-wal`);
    return new SimulatedDisk(this.#flushedBytes);
  }
}
