// Reads and writes of one system table by the server's own code.

import type { Order } from "./types.ts";
import type { Json } from "./values/value.ts";

export interface SystemDocument {
  readonly _id: string;
  readonly _creationTime: number;
  readonly [field: string]: Json;
}

export interface SystemRangeOptions {
  readonly order?: Order;
  readonly limit?: number;
  /** Bounds on the index field after those in `eq`. */
  readonly gt?: Json;
  readonly gte?: Json;
  readonly lt?: Json;
  readonly lte?: Json;
}

export declare class SystemTableAccess {
  /** The new document's id. */
  insert(document: Readonly<Record<string, Json | undefined>>): string;
  /** Undefined removes the field. */
  patch(id: string, fields: Readonly<Record<string, Json | undefined>>): void;
  replace(id: string, document: Readonly<Record<string, Json | undefined>>): void;
  remove(id: string): void;
  get(id: string): SystemDocument | null;
  find(index: string, eq: readonly Json[]): SystemDocument[];
  first(index: string, eq: readonly Json[]): SystemDocument | null;
  all(): SystemDocument[];
  range(index: string, eq: readonly Json[], options?: SystemRangeOptions): SystemDocument[];
}
