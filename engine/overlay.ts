// Document versions laid over a snapshot and merged into every get and scan. Serves a transaction's
// own writes, an isolate's chain of unconfirmed mutations, and reading at an older timestamp.

import type { Timestamp } from "./timestamp.ts";
import type { Snapshot, Tablet } from "./types.ts";

export declare class Overlay {
  /** Lays a version over the document; `json` null hides it. */
  put(tablet: Tablet, id: string, json: string | null, ts: Timestamp): void;
  /** Takes the version away, so that the base shows through. */
  drop(tablet: Tablet, id: string): void;
  /** Undefined: the overlay says nothing about the document. */
  get(
    tablet: Tablet,
    id: string,
  ): { readonly json: string | null; readonly ts: Timestamp } | undefined;
  get size(): number;
  clear(): void;
}

/** The base with the overlay on top, live: later puts are seen. `close` closes the base. */
export declare function overlaid(base: Snapshot, overlay: Overlay): Snapshot;
