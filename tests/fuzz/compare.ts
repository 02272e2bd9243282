// Compares what the engine answered with what the model did.

import type { Json, JsonObject } from "../../engine/values/value.ts";
import type { Outcome, Traced } from "./call.ts";
import type { CursorBook } from "./model/cursor_book.ts";
import type { ModelTransaction } from "./model/transaction.ts";

/** The engine is wrong, or the model is. */
export class Mismatch extends Error {
  override readonly name = "Mismatch";
}

/** Makes the calls on the model, and compares every outcome. @throws Mismatch */
export function checkCalls(
  calls: readonly Traced[],
  model: ModelTransaction,
  what: string,
): void {
  for (const traced of calls) {
    const expected = model.execute(traced.call, traced.created);
    checkOutcome(traced, expected, model.options.cursors, what);
  }
}

function checkOutcome(
  { call, outcome }: Traced,
  expected: Outcome,
  cursors: CursorBook,
  what: string,
): void {
  if (call.type === "nested" || call.type === "atBegin") {
    const inner = (expected as { value: Json }).value as unknown as Outcome[];
    call.calls.forEach((traced, i) => checkOutcome(traced, inner[i]!, cursors, what));
    return;
  }
  const actual = call.type === "page" ? named(outcome, expected, cursors) : outcome;
  const [found, wanted] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (found !== wanted) {
    throw new Mismatch(`${what}: ${JSON.stringify(call)}\n  gave ${found}\n  not  ${wanted}`);
  }
}

/** The outcome with the meanings of its cursors in their place. */
function named(outcome: Outcome, expected: Outcome, cursors: CursorBook): Outcome {
  if (!("value" in outcome) || !("value" in expected)) return outcome;
  const page = outcome.value as JsonObject;
  const wanted = expected.value as JsonObject;
  const meaning = (field: string) => {
    const text = page[field];
    if (typeof text !== "string") return text!;
    return cursors.meaningOf(text, String(wanted[field]));
  };
  return {
    value: {
      ...page,
      continueCursor: meaning("continueCursor"),
      splitCursor: meaning("splitCursor"),
    },
  };
}
