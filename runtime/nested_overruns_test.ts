import assert from "node:assert/strict";
import type { RunCall } from "./frames.ts";
import { type NestedCallName, NestedOverruns, STOPPED_CALLS_MAX } from "./nested_overruns.ts";
import type { NestedTrace } from "./nested_overruns.ts";

const TEXT = "Function execution timed out";

const run = (nested: NestedTrace | undefined, source = "m.js:f") => ({
  source,
  call: { callId: 1, nested } as unknown as RunCall,
});
const at = (position: string): NestedCallName => ({
  position,
  path: { component: "", module: "m.js", name: "g" },
  args: "",
});

Deno.test("a function without nested calls overran itself", () => {
  const overruns = new NestedOverruns();
  assert.equal(overruns.next(run(undefined), null, TEXT), null);
  assert.equal(overruns.traceOf("m.js:f"), undefined);
});

Deno.test("one with nested calls runs again, at last without those that overran", () => {
  const overruns = new NestedOverruns();
  overruns.noteCaller("m.js:f");
  assert.equal(overruns.traceOf("m.js:f"), undefined);
  let trace = overruns.next(run(undefined), null, TEXT)!;
  assert.deepEqual(trace, { stopped: [] });
  const positions = Array.from({ length: STOPPED_CALLS_MAX }, (_, i) => `${i}`);
  for (const position of positions) trace = overruns.next(run(trace), at(position), TEXT)!;
  assert.deepEqual(trace.stopped.map(({ position }) => position), positions);
  assert.ok(trace.stopped.every(({ message }) => message === TEXT));
  assert.equal(overruns.next(run(trace), at("another"), TEXT), null);
  assert.equal(overruns.next(run({ stopped: [] }), null, TEXT), null, "the function itself");
});

Deno.test("a function whose nested call was ended tells where it is from the beginning", () => {
  const overruns = new NestedOverruns();
  overruns.noteCaller("m.js:f");
  overruns.next(run(undefined), null, TEXT);
  overruns.noteCaller("m.js:f");
  assert.deepEqual(overruns.traceOf("m.js:f"), { stopped: [] });
  assert.equal(overruns.traceOf("m.js:g"), undefined);
});
