// What the host and the preparation process say to each other.

export interface PreparationRequest {
  readonly id: number;
  readonly path: string;
  /** An ES module. */
  readonly source: string;
}

export type PreparationAnswer =
  | {
    readonly id: number;
    readonly ok: true;
    /** CommonJS text. */
    readonly code: string;
    /** Source map from `code` to the ES module. */
    readonly codeMap: string;
    /** Why instances of the module may never be reused; null if the isolate may try. */
    readonly reuseObstacle: string | null;
  }
  | {
    readonly id: number;
    readonly ok: false;
    readonly text: string;
    /** From 1. */
    readonly line: number;
    /** From 0. */
    readonly column: number;
  };
