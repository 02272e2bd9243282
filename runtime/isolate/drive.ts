// Runs executions to their end on the event loop, nested ones before those that wait for them.

import type { Execution } from "./execution.ts";
import { nextTurn } from "./host.ts";

/**
 * Runs a started execution to its end.
 * @param done called from the event loop, never from a promise job: microtasks can be run there.
 * `failure` is set when the system, not the function, failed.
 */
export function drive(execution: Execution, done: (failure: unknown) => void): void {
  const stack = [execution];
  const advance = () => {
    try {
      while (stack.length > 0) {
        const step = stack.at(-1)!.advance();
        if (step === "turn") {
          nextTurn(advance);
          return;
        }
        if (step === "finished") {
          stack.pop();
          stack.at(-1)?.nestedFinished();
        } else {
          stack.push(step);
        }
      }
    } catch (failure) {
      done(failure);
      return;
    }
    done(undefined);
  };
  // A call that failed its checks is done already; its caller may be deep in a list of such calls.
  if (execution.result !== null) nextTurn(advance);
  else advance();
}
