// @convex-dev/migrations in a pushed app: batches, status, dry run, resumption, as the CLI runs them.
import assert from "node:assert/strict";
import { App } from "../harness/app.ts";
import { httpClient, LiveClient, mutation, query } from "../harness/clients.ts";
import { serverWithApp } from "../harness/pushed_app.ts";
import type { Server } from "../harness/server.ts";

const MEMBERS = 250;

interface Status {
  readonly name: string;
  readonly state: string;
  readonly processed: number;
  readonly isDone: boolean;
  readonly error?: string;
}

/** A server with members in the app's table; more than two batches of them. */
async function serverWithMembers(): Promise<Server> {
  const server = await serverWithApp("tests/apps/components");
  await httpClient(server).mutation(mutation("migrations:fill"), { count: MEMBERS });
  return server;
}

async function runWithCli(server: Server, ...args: string[]): Promise<string> {
  await using app = await App.create({});
  const { code, stdout, stderr } = await app.cli(server, ["run", ...args]);
  assert.equal(code, 0, stderr);
  return stdout + stderr;
}

/** Waits until a migration is in a state. */
async function reach(client: LiveClient, name: string, state: string): Promise<Status> {
  const watched = client.watch("migrations:status");
  const find = (all: unknown) => (all as Status[]).find((each) => each.name.endsWith(name))!;
  try {
    return find(await watched.until((all) => find(all).state === state, 30_000));
  } finally {
    watched.stop();
  }
}

Deno.test("migrations: a table of three batches is migrated by the CLI, after a dry run", async () => {
  await using server = await serverWithMembers();
  await using client = new LiveClient(server);
  const members = () => client.query(query("migrations:members"), {});

  const dry = await runWithCli(server, "migrations:greet", '{"dryRun":true}');
  assert.match(dry, /DRY RUN: Example change/);
  assert.equal((await members()).greeted, 0);
  assert.equal((await reach(client, "greet", "unknown")).processed, 0);

  await runWithCli(server, "migrations:run", '{"fn":"migrations:greet"}');
  const done = await reach(client, "greet", "success");
  assert.deepEqual([done.processed, done.isDone], [MEMBERS, true]);
  assert.equal((await members()).greeted, MEMBERS);

  // A series skips what is done. The second one reads a range of an index.
  await runWithCli(server, "migrations:runAll");
  assert.equal((await reach(client, "ungreetFirstTen", "success")).processed, 10);
  assert.equal((await members()).greeted, MEMBERS - 10);
  const status = await runWithCli(server, "--component", "migrations", "lib:getStatus");
  assert.match(status, /"migrations:greet"[\s\S]*"migrations:ungreetFirstTen"/);
});

Deno.test("migrations: one that failed goes on with the batch where it failed", async () => {
  await using server = await serverWithMembers();
  await using client = new LiveClient(server);
  const rename = (name: string) =>
    client.mutation(mutation("migrations:rename"), { number: 90, name });
  await rename("");
  assert.equal(await client.mutation(mutation("migrations:start"), {}), "inProgress");
  const failed = await reach(client, "countVisit", "failed");
  // Two batches of 40 are done; the third one is rolled back as a whole.
  assert.equal(failed.processed, 80);
  assert.match(failed.error!, /member 90 has no name/);
  assert.equal((await client.query(query("migrations:members"), {})).visits, 80);

  await rename("somebody");
  await client.mutation(mutation("migrations:start"), {});
  assert.equal((await reach(client, "countVisit", "success")).processed, MEMBERS);
  assert.deepEqual(await client.query(query("migrations:members"), {}), {
    greeted: 0,
    leastVisits: 1,
    mostVisits: 1,
    visits: MEMBERS,
  });

  // Done is done, unless it is reset.
  assert.equal(await client.mutation(mutation("migrations:start"), {}), "success");
  await client.mutation(mutation("migrations:start"), { reset: true });
  await reach(client, "countVisit", "success");
  assert.equal((await client.query(query("migrations:members"), {})).visits, 2 * MEMBERS);
});

Deno.test("migrations: one that was canceled, or whose server was killed, is resumed", async () => {
  await using server = await serverWithMembers();
  {
    await using client = new LiveClient(server);
    assert.equal(
      await client.mutation(mutation("migrations:startAndCancel"), {}),
      "canceled",
    );
    assert.equal((await reach(client, "countVisit", "canceled")).processed, 10);
    await client.mutation(mutation("migrations:start"), { batchSize: 10 });
    // Killed as soon as it went on; what was acknowledged stays, and nothing is done twice.
    const watched = client.watch("migrations:status");
    await watched.until((all) => (all as Status[]).some(({ processed }) => processed > 10));
  }
  await server.kill();
  await server.restart();
  await using client = new LiveClient(server);
  assert.equal((await reach(client, "countVisit", "success")).processed, MEMBERS);
  const { leastVisits, mostVisits } = await client.query(query("migrations:members"), {});
  assert.deepEqual([leastVisits, mostVisits], [1, 1]);
});
