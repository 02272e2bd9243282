// Runs random programs until the time is over or enough have run, and shrinks those that fail.

import fc from "fast-check";
import { anyProgram } from "./generate.ts";
import type { Compare } from "./model/values.ts";
import type { Program } from "./program.ts";
import { runProgram } from "./run_program.ts";
import { scratchDirectory } from "./template.ts";

export interface FuzzOptions {
  readonly seed: number;
  /** No further programs are begun after this many. */
  readonly programsMax: number;
  /** No further batch is begun after this time, in milliseconds since the epoch. */
  readonly endMs: number;
  /** Whether to look for a small program that fails. It takes up to some minutes. */
  readonly shrinks: boolean;
  readonly compare?: Compare;
}

export interface FuzzFailure {
  /** Starts the batch again that failed. */
  readonly seed: number;
  readonly program: Program;
  readonly error: unknown;
}

export interface FuzzReport {
  readonly passed: number;
  readonly failures: readonly FuzzFailure[];
}

/** Programs between two looks at the clock. */
const BATCH_PROGRAMS = 25;
/** Seeds are 32 bits wide. */
const SEEDS = 2 ** 32;

/** A seed for a run that was given none. */
export function randomSeed(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0]!;
}

/** Runs programs; ends with the first batch that fails, for its cause would make most others fail. */
export async function fuzz(options: FuzzOptions): Promise<FuzzReport> {
  const directory = await scratchDirectory();
  const run = programRunner(directory, options.compare);
  let passed = 0;
  try {
    for (let batch = 0; passed < options.programsMax && Date.now() < options.endMs; batch++) {
      const seed = (options.seed + batch) % SEEDS;
      const numRuns = Math.min(BATCH_PROGRAMS, options.programsMax - passed);
      const details = await fc.check(fc.asyncProperty(anyProgram, run), {
        // Seeds of fast-check are signed.
        seed: seed | 0,
        numRuns,
        endOnFailure: !options.shrinks,
      });
      if (details.failed) {
        passed += details.numRuns - 1;
        const [program] = details.counterexample!;
        return { passed, failures: [{ seed, program, error: details.errorInstance }] };
      }
      passed += numRuns;
    }
    return { passed, failures: [] };
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** Runs one program. @throws what it throws */
export async function runOne(program: Program): Promise<void> {
  const directory = await scratchDirectory();
  try {
    await programRunner(directory)(program);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

function programRunner(directory: string, compare?: Compare): (program: Program) => Promise<void> {
  let programs = 0;
  return async (program) => {
    const own = `${directory}/${++programs}`;
    await Deno.mkdir(own);
    await runProgram(program, { directory: own, compare });
  };
}
