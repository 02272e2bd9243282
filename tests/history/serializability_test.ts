import assert from "node:assert/strict";
import type { Observation, Operation, RecordedTransaction } from "./history.ts";
import { anomaliesOf } from "./serializability.ts";

type Step = [type: Operation["type"], key: number, value: number | null, observed: Observation];

/** Transactions that all run at the same time, unless times are given. */
function history(
  ...transactions: { steps: Step[]; from?: number; to?: number; isUnknown?: boolean }[]
): RecordedTransaction[] {
  return transactions.map(({ steps, from, to, isUnknown }, i) => ({
    name: `T${i + 1}`,
    operations: steps.map(([type, key, value]) => ({ type, key, value: value ?? 0 })),
    observations: isUnknown ? null : steps.map(([, , , observed]) => observed),
    sentAt: from ?? i,
    answeredAt: isUnknown ? Infinity : to ?? 1000 + i,
  }));
}

Deno.test("histories that have an order", () => {
  const orders: RecordedTransaction[][] = [
    history(),
    history({ steps: [["append", 1, 1, []], ["list", 1, null, [1]]] }),
    history(
      { steps: [["append", 1, 1, []]] },
      { steps: [["append", 1, 2, [1]], ["append", 1, 3, [1, 2]]] },
      { steps: [["list", 1, null, [1, 2, 3]]] },
      { steps: [["list", 1, null, []]] },
    ),
    // An append without an answer that has happened, and one that has not.
    history(
      { steps: [["append", 1, 1, []]], isUnknown: true },
      { steps: [["list", 1, null, [1]]] },
      { steps: [["append", 1, 2, []]], isUnknown: true },
    ),
    history(
      { steps: [["write", 1, 1, null]] },
      { steps: [["write", 1, 2, 1]] },
      { steps: [["register", 1, null, 2]] },
      { steps: [["register", 1, null, 1]] },
    ),
    history({ steps: [["append", 1, 1, []]], from: 1, to: 2 }, {
      steps: [["list", 1, null, [1]]],
      from: 3,
      to: 4,
    }),
  ];
  for (const transactions of orders) assert.deepEqual(anomaliesOf(transactions), []);
});

const anomalies: [name: string, transactions: RecordedTransaction[], expected: RegExp][] = [
  [
    "a lost append",
    history(
      { steps: [["append", 1, 1, []]] },
      { steps: [["append", 1, 2, []]] },
      { steps: [["list", 1, null, [2]]] },
    ),
    /others as/,
  ],
  [
    "a lost write",
    history({ steps: [["write", 1, 1, null]] }, { steps: [["write", 1, 2, null]] }),
    /both replaced null/,
  ],
  [
    "write skew",
    history(
      { steps: [["list", 1, null, []], ["append", 2, 1, []]] },
      { steps: [["list", 2, null, []], ["append", 1, 2, []]] },
      { steps: [["list", 1, null, [2]], ["list", 2, null, [1]]] },
    ),
    /before \(rw\)/,
  ],
  [
    "a torn read",
    history(
      { steps: [["append", 1, 1, []], ["append", 2, 2, []]] },
      { steps: [["list", 1, null, [1]], ["list", 2, null, []]] },
      { steps: [["list", 2, null, [2]]] },
    ),
    /cannot be put in an order/,
  ],
  [
    "two orders of one list",
    history({ steps: [["append", 1, 1, []], ["append", 1, 2, [1]]] }, {
      steps: [["list", 1, null, [2]]],
    }),
    /others as/,
  ],
  [
    "a value from nowhere",
    history({ steps: [["list", 1, null, [7]]] }),
    /nobody wrote it/,
  ],
  [
    "own writes that are not seen",
    history({ steps: [["append", 1, 1, []], ["list", 1, null, []]] }),
    /saw \[\] in list 1, after \[1\]/,
  ],
  [
    "a stale read",
    history(
      { steps: [["append", 1, 1, []]], from: 1, to: 2 },
      { steps: [["list", 1, null, []]], from: 3, to: 4 },
      { steps: [["list", 1, null, [1]]], from: 5, to: 6 },
    ),
    /before \(time\)/,
  ],
  [
    "reads of two registers in opposite orders",
    history(
      { steps: [["write", 1, 1, null]] },
      { steps: [["write", 2, 2, null]] },
      { steps: [["register", 1, null, 1], ["register", 2, null, null]] },
      { steps: [["register", 1, null, null], ["register", 2, null, 2]] },
    ),
    /cannot be put in an order/,
  ],
];

for (const [name, transactions, expected] of anomalies) {
  Deno.test(`the history checker finds ${name}`, () => {
    assert.match(anomaliesOf(transactions).join("\n"), expected);
  });
}
