// What a call into a component costs: one read and one write in a component's mutation, against the
// same read and write in line. Both many times in one mutation, so that nothing else is measured.
import { httpClient, mutation } from "../../tests/harness/clients.ts";
import { serverWithApp } from "../../tests/harness/pushed_app.ts";
import { median } from "../environment.ts";
import type { Row } from "../report.ts";

const ROUNDS = 200;
const MEASURED_CALLS = 21;
const WARMUP_CALLS = 5;

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
  const perRound = async (name: keyof typeof ids): Promise<number> => {
    for (let call = 0; call < WARMUP_CALLS; call++) await timed(name, ROUNDS);
    const differences: number[] = [];
    for (let call = 0; call < MEASURED_CALLS; call++) {
      differences.push(await timed(name, ROUNDS) - await timed(name, 0));
    }
    return median(differences) / ROUNDS * 1000;
  };
  const inLine = await perRound("inLine");
  const inComponent = await perRound("inComponent");
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
