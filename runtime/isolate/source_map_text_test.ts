import assert from "node:assert/strict";
import { originalPositionFor, TraceMap } from "@jridgewell/trace-mapping";
import fc from "fast-check";
import { SourceMapText } from "./source_map_text.ts";

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

function encodeNumber(value: number): string {
  let rest = value < 0 ? -value * 2 + 1 : value * 2;
  let text = "";
  do {
    const digit = rest & 31;
    rest >>>= 5;
    text += DIGITS[rest > 0 ? digit | 32 : digit];
  } while (rest > 0);
  return text;
}

type Segment = readonly [column: number, from?: readonly [number, number, number, number?]];

function encodeMappings(lines: readonly (readonly Segment[])[]): string {
  let last = [0, 0, 0, 0];
  return lines.map((line) => {
    let lastColumn = 0;
    return line.map(([column, from]) => {
      const numbers = [column - lastColumn];
      lastColumn = column;
      for (const [i, value] of (from ?? []).entries()) {
        if (value === undefined) continue;
        numbers.push(value - last[i]!);
        last = last.with(i, value);
      }
      return numbers.map(encodeNumber).join("");
    }).join(",");
  }).join(";");
}

const SOURCES = ["../convex/a.ts", null, "../node_modules/b/c.js"];

const originals = fc.tuple(fc.nat(2), fc.nat(100_000), fc.nat(300))
  .chain(([source, line, column]) =>
    fc.option(fc.nat(5), { nil: undefined })
      .map((name): Segment[1] =>
        name === undefined ? [source, line, column] : [source, line, column, name]
      )
  );
const lines = fc.array(
  fc.uniqueArray(fc.tuple(fc.nat(200), fc.option(originals, { nil: undefined })), {
    selector: ([column]) => column,
    maxLength: 6,
  }).map((line) => line.sort((a, b) => a[0] - b[0])),
  { minLength: 1, maxLength: 300, size: "max" },
);

Deno.test("every position is found where a library that decodes the map finds it", () => {
  const positions = fc.array(fc.tuple(fc.integer({ min: 1, max: 301 }), fc.nat(201)), {
    minLength: 20,
    maxLength: 20,
  });
  fc.assert(
    fc.property(lines, positions, fc.constantFrom("", "root"), (lines, positions, sourceRoot) => {
      const map = {
        version: 3 as const,
        names: [..."abcdef"],
        sources: SOURCES,
        sourceRoot,
        mappings: encodeMappings(lines),
      };
      const text = new SourceMapText(JSON.stringify(map));
      // The library resolves sources against the root, as URLs.
      const decoded = new TraceMap({ ...map, sourceRoot: "" });
      for (const [line, column] of positions) {
        const expected = originalPositionFor(decoded, { line, column });
        const known = expected.source !== null && expected.source !== "";
        const prefix = sourceRoot === "" ? "" : `${sourceRoot}/`;
        assert.deepEqual(
          text.find({ line, column }),
          known
            ? { source: prefix + expected.source, line: expected.line, column: expected.column }
            : null,
          `${line}:${column}`,
        );
      }
    }),
    { numRuns: 50 },
  );
});

Deno.test("what is no source map is refused", () => {
  for (
    const text of [
      "",
      "null",
      "{}",
      '{"version":3,"sources":[],"mappings":5}',
      '{"version":3,"sources":["a"],"mappings":"A!AA"}',
      '{"version":3,"sources":["a"],"mappings":"AAAg"}',
    ]
  ) assert.throws(() => new SourceMapText(text), text);
});
