// 64 clients move money between 10 accounts while the server is killed with SIGKILL and started
// again: every acknowledged transfer is there, none twice, and no money appears or is lost.
import assert from "node:assert/strict";
import { type BankReport, runBank } from "./harness/bank_clients.ts";
import { httpClient, mutation, query } from "./harness/clients.ts";
import { serverWithApp } from "./harness/pushed_app.ts";
import type { Server } from "./harness/server.ts";

const CLIENTS = 64;
const ACCOUNTS = 10;
const BALANCE = 1000;
const DURATION_MS = Number(Deno.env.get("CONCAVE_CRASH_TEST_MS") ?? 20_000);

interface Transfer {
  readonly key: string;
  readonly from: number;
  readonly to: number;
  readonly amount: number;
}

Deno.test(`${CLIENTS} clients, ${ACCOUNTS} accounts, SIGKILL in the middle`, async () => {
  await using server = await serverWithApp("tests/apps/bank");
  await httpClient(server).mutation(mutation("bank:open"), {
    first: 0,
    count: ACCOUNTS,
    balance: BALANCE,
  });

  const running = runBank({
    url: server.url,
    clients: CLIENTS,
    accounts: ACCOUNTS,
    durationMs: DURATION_MS,
  });
  await new Promise((resolve) => setTimeout(resolve, DURATION_MS / 2));
  await server.kill();
  await server.restart();
  const report: BankReport = await running;

  assert.deepEqual(report.errors, []);
  assert.ok(report.acknowledged.length > CLIENTS, "the clients got something done");
  assert.ok(report.acknowledgedAfterReconnect > 0, "the clients came back by themselves");

  const ledger = await readLedger(server);
  const byKey = Map.groupBy(ledger, (transfer) => transfer.key);
  for (const key of report.acknowledged) {
    assert.equal(byKey.get(key)?.length, 1, `${key} was acknowledged`);
  }
  for (const [key, rows] of byKey) {
    assert.equal(rows.length, 1, `${key} was applied ${rows.length} times`);
    assert.ok(report.sent.has(key), `${key} was never sent`);
  }

  const expected = new Array(ACCOUNTS).fill(BALANCE);
  for (const { from, to, amount } of ledger) {
    expected[from] -= amount;
    expected[to] += amount;
  }
  const balances: { number: number; balance: number }[] = await httpClient(server).query(
    query("bank:balances"),
    {},
  );
  assert.deepEqual(balances.map((account) => account.balance), expected);
  assert.equal(balances.reduce((sum, { balance }) => sum + balance, 0), ACCOUNTS * BALANCE);
});

async function readLedger(server: Server): Promise<Transfer[]> {
  const client = httpClient(server);
  const rows: Transfer[] = [];
  let cursor: string | null = null;
  do {
    const page: { rows: Transfer[]; cursor: string | null } = await client.query(
      query("bank:ledger"),
      { cursor },
    );
    rows.push(...page.rows);
    cursor = page.cursor;
  } while (cursor !== null);
  return rows;
}
