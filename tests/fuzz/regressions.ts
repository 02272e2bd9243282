// Programs that once failed, kept as files: they run first.

import { fromRepository } from "../harness/server.ts";
import type { FuzzFailure } from "./fuzz.ts";
import type { Program } from "./program.ts";

const DIRECTORY = fromRepository("tests/fuzz/regressions");

interface RegressionFile {
  /** What went wrong. */
  readonly failure: string;
  readonly seed: number;
  readonly program: Program;
}

export interface Regression extends RegressionFile {
  readonly name: string;
}

/** All regressions, by name. */
export async function readRegressions(): Promise<Regression[]> {
  const names: string[] = [];
  for await (const { name } of Deno.readDir(DIRECTORY)) names.push(name);
  return await Promise.all(
    names.sort().map(async (name) => {
      const text = await Deno.readTextFile(`${DIRECTORY}/${name}`);
      return { name, ...JSON.parse(text) as RegressionFile };
    }),
  );
}

/** Writes a failure down; returns the path of the file. */
export async function keepRegression({ seed, program, error }: FuzzFailure): Promise<string> {
  const failure = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  const path = `${DIRECTORY}/seed_${seed}.json`;
  const file: RegressionFile = { failure, seed, program };
  await Deno.writeTextFile(path, JSON.stringify(file, null, 2) + "\n");
  return path;
}
