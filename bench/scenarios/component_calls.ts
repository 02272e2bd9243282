// What a call into a component costs: one read and one write in a component's mutation, against the
// same read and write in line. Both many times in one mutation, so that nothing else is measured.
import { httpClient, mutation } from "../../tests/harness/clients.ts";
import { serverWithApp } from "../../tests/harness/pushed_app.ts";
import { median } from "../environment.ts";
import type { Row } from "../report.ts";

const ROUNDS = 500;
const MEASURED_CALLS = 41;
const WARMUP_CALLS = 10;

export async function componentCalls(): Promise<Row[]> {
  await using server = await serverWithApp("tests/apps/component_calls");
  const http = httpClient(server);
  const add = { path: "first.notes.add", args: { text: "0" } };
  const ids = {
    inLine: await http.mutation(mutation("rounds:add"), {}),
    inComponent: await http.mutation(mutation("calls:write"), add),
  };
  /** Milliseconds of one mutation with so many rounds. */
  const timed = async (name: keyof typeof ids, rounds: number): Promise<number> => {
    const start = performance.now();
    await http.mutation(mutation(`rounds:${name}`), { id: ids[name], rounds });
    return performance.now() - start;
  };
  /** Microseconds of one round. */
  const round = async (name: keyof typeof ids): Promise<number> =>
    (await timed(name, ROUNDS) - await timed(name, 0)) / ROUNDS * 1000;
  const rounds: Record<keyof typeof ids, number[]> = { inLine: [], inComponent: [] };
  // By turns, so that whatever else the machine does slows both.
  for (let call = -WARMUP_CALLS; call < MEASURED_CALLS; call++) {
    for (const name of ["inLine", "inComponent"] as const) {
      const microseconds = await round(name);
      if (call >= 0) rounds[name].push(microseconds);
    }
  }
  const inLine = median(rounds.inLine);
  const inComponent = median(rounds.inComponent);
  return [{
    name: "component_call",
    value: inComponent,
    unit: "µs",
    ratio: inComponent / inLine,
    comparedWith: "in line",
    floor: 3,
    bound: "at most",
  }];
}
