// Runs a program on the database and on the model, and compares them after every step.

import { setImmediate } from "node:timers";
import { checkDatabase } from "../../engine/check.ts";
import { PlatformError } from "../../engine/errors.ts";
import { finishIndexes, prepareIndexes } from "../../engine/index_lifecycle.ts";
import { RETENTION_MS_DEFAULT } from "../../engine/retention.ts";
import { activateSchema, schemaStatus, submitSchema } from "../../engine/schema_lifecycle.ts";
import type { Timestamp } from "../../engine/timestamp.ts";
import type { FinishedTransaction } from "../../engine/types.ts";
import { parseSchema } from "../../engine/values/schema.ts";
import type { JsonObject } from "../../engine/values/value.ts";
import { Chains } from "./chains.ts";
import { Mismatch } from "./compare.ts";
import type { Traced } from "./call.ts";
import { finishPush, hasViolation, startPush } from "./model/push.ts";
import type { ModelState } from "./model/state.ts";
import type { ModelTransaction } from "./model/transaction.ts";
import { type Compare, compareInOrder } from "./model/values.ts";
import { readCopy } from "./crash_copy.ts";
import type { Op, Program, Step } from "./program.ts";
import { Sessions } from "./sessions.ts";
import type { SimulatedDisk } from "./simulated_disk.ts";
import { Subject } from "./subject.ts";
import { Watches } from "./watches.ts";
import { World } from "./world.ts";

export interface RunOptions {
  /** An empty directory; it is removed. */
  readonly directory: string;
  /** The order that the model believes in. */
  readonly compare?: Compare;
}

/** A transaction that was executed and not committed. */
interface Held {
  readonly calls: readonly Traced[];
  readonly begin: ModelState;
  readonly model: ModelTransaction;
  readonly finished: Omit<FinishedTransaction, "source">;
}

/**
 * Runs the program.
 * @throws Mismatch when the database does something else than the model; whatever the engine throws
 */
export async function runProgram(program: Program, options: RunOptions): Promise<void> {
  const { directory, compare = compareInOrder } = options;
  const world = new World(directory, program.limits, compare);
  await world.start();
  try {
    const runner = new ProgramRunner(world);
    for (const step of program.steps) await runner.run(step);
    await runner.finish();
  } finally {
    await world.close();
    await Deno.remove(directory, { recursive: true });
  }
}

class ProgramRunner {
  #held: Held[] = [];
  #chains: Chains;
  #watches: Watches;
  readonly #sessions = new Sessions();
  /** Everything up to here was acknowledged. */
  #acknowledged: Timestamp;
  /** Acknowledgements and refusals of the committer that are still to come. */
  #outstanding: Promise<unknown>[] = [];
  #unexpected: unknown = null;

  constructor(readonly world: World) {
    this.#chains = new Chains(world);
    this.#watches = new Watches(world);
    this.#acknowledged = world.latest.ts;
  }

  async run(step: Step): Promise<void> {
    switch (step.type) {
      case "transact":
        return this.#transact(step.ops);
      case "run":
        return this.#run(step.ops, step.age);
      case "commit":
        return await this.#commit(step.which, step.session);
      case "chain":
        return this.#chains.run(step.isolate, step.ops);
      case "commitChain":
        return await this.#chains.commit(step.isolate, step.count, (done) => this.#expect(done));
      case "read":
        return this.#read(step.ops, step.age);
      case "watch":
        return this.#watches.add(step.ops);
      case "push":
        return this.#push(step.schema);
      case "finishPush":
        return await this.#finishPush();
      case "turn":
        return await this.#turn();
      case "restart":
        return await this.#restart();
      case "kill":
        return await this.#crash((disk, from, to) => disk.copyAfterKill(from, to));
      case "powerLoss":
        return await this.#crash((disk, from, to) =>
          disk.copyAfterPowerLoss(from, to, step.tornBytes)
        );
      case "clock":
        this.world.nowMs += step.ms;
        return;
      case "housekeeping":
        return await this.world.engine.housekeeping();
    }
  }

  #transact(ops: readonly Op[]): void {
    const { world } = this;
    let committed: { calls: Traced[]; begin: ModelState } | null = null;
    const done = world.engine.transact((tx) => {
      const begin = world.latest.state;
      const calls = new Subject(tx, world).run(ops);
      world.checkExecution(calls, begin, "transact");
      committed = { calls, begin };
    });
    this.#expect(done);
    if (committed === null) return; // The error comes with the promise.
    const { calls, begin } = committed as { calls: Traced[]; begin: ModelState };
    world.accept(calls, begin, world.engine.committer.latest);
  }

  #run(ops: readonly Op[], age: number): void {
    const { world } = this;
    this.#atAge(age, (ts) => {
      const snapshot = world.reader.open(ts);
      try {
        const begin = world.versionAt(snapshot.ts).state;
        const tx = world.transaction(snapshot);
        const calls = new Subject(tx, world).run(ops);
        const finished = tx.finish();
        const model = world.checkExecution(calls, begin, `run at ${snapshot.ts}`);
        this.#held.push({ calls, begin, model, finished });
      } finally {
        snapshot.close();
      }
    });
  }

  /** Calls `body` with the timestamp of the `age`-th last version that the file has. */
  #atAge(age: number, body: (ts: Timestamp) => void): void {
    const { world } = this;
    const visible = world.reader.latestTs();
    const versions = world.versions.filter(({ ts }) => ts <= visible);
    // The latest state of all, when the database has made commits of its own since.
    const ts = age === 0 ? visible : versions.at(-age)?.ts ?? versions[0]!.ts;
    try {
      body(ts);
    } catch (error) {
      const isTooOld = error instanceof PlatformError && error.kind === "outOfRetention";
      if (!isTooOld || ts >= (world.nowMs - RETENTION_MS_DEFAULT) * 1000) throw error;
    }
  }

  async #commit(which: number, session: number | null): Promise<void> {
    const { world } = this;
    const held = this.#held[which % this.#held.length];
    if (held === undefined) return;
    this.#held.splice(this.#held.indexOf(held), 1);
    const { committer } = world.engine;
    const record = session === null ? undefined : this.#sessions.record(session);
    const isRepeated = record !== undefined && this.#sessions.has(record);
    const hasChangedCatalog = world.engine.catalog.version > held.finished.begin;
    const touchedAt = world.firstTouch(held.model, held.finished.begin);
    const isRead = held.finished.writes.length === 0;

    let accepted: Timestamp | null = null;
    const result = committer.commit(
      { ...held.finished, source: "fuzz", session: record },
      (ts) => accepted = ts,
    );
    if (accepted !== null) {
      if (isRepeated) throw new Mismatch("a request of a session was committed twice");
      if (touchedAt !== null && !isRead) {
        throw new Mismatch(`a conflict at ${touchedAt} was missed`);
      }
      // What only read stands where it began, whatever came after.
      if (!isRead) world.accept(held.calls, held.begin, accepted);
      const ts: Timestamp = accepted;
      if (record !== undefined) this.#sessions.accepted(record, ts, result);
      return this.#expect(result);
    }
    const refused = await result;
    if (refused.kind === "committed") throw new Mismatch("committed without a place in the order");
    const { conflict } = refused;
    if (isRepeated) {
      if (committer.sessionOutcome(record.sessionId, record.requestId) === null) {
        throw new Mismatch("the outcome of a request is gone");
      }
      return;
    }
    if (conflict.id === null && !world.isForgotten(held.finished.begin)) {
      throw new Mismatch("a transaction was refused for its age, which it does not have");
    }
    if (touchedAt === null && conflict.id !== null && !hasChangedCatalog) {
      throw new Mismatch(`a conflict without a reason: ${JSON.stringify(conflict)}`);
    }
  }

  #read(ops: readonly Op[], age: number): void {
    const { world } = this;
    this.#atAge(age, (ts) => {
      world.engine.read((tx) => {
        const calls = new Subject(tx, world).run(ops);
        world.checkExecution(calls, world.versionAt(tx.begin).state, `read at ${tx.begin}`);
      }, age === 0 ? undefined : ts);
    });
  }

  #push(schema: JsonObject | null): void {
    const { world } = this;
    const definition = schema === null ? null : parseSchema(JSON.stringify(schema));
    let id: string | null = null;
    const before = world.engine.committer.latest;
    this.#expect(world.engine.transact((tx) => {
      prepareIndexes(tx, "", definition);
      id = submitSchema(tx, "", definition);
    }));
    const ts = world.engine.committer.latest;
    const state = startPush(world.latest.state, schema, id);
    if (ts > before) world.acceptPush(ts, state);
    else world.latest.state = state;
  }

  async #finishPush(): Promise<void> {
    const { world } = this;
    const { engine } = world;
    await this.#turn();
    await engine.backgroundIdle();
    const { state } = world.latest;
    if (state.push === null) return;
    const { schema, schemaId, mayFail, mustFail } = state.push;
    const status = schemaStatus(engine, { "": schemaId });
    if (status.type === "failed") {
      if (!mayFail) throw new Mismatch(`the push failed without a reason: ${status.error}`);
      world.latest.state = { ...state, push: null };
      return;
    }
    if (status.type !== "complete") {
      throw new Mismatch(`the push does not end: ${JSON.stringify(status)}`);
    }
    if (mustFail || hasViolation(state, schema)) {
      throw new Mismatch("a push succeeded with documents that break its schema");
    }
    const definition = schema === null ? null : parseSchema(JSON.stringify(schema));
    const before = engine.committer.latest;
    await engine.transact((tx) => {
      activateSchema(tx, "", schemaId);
      finishIndexes(tx, "", definition);
    });
    const ts = engine.committer.latest;
    if (ts > before) world.acceptPush(ts, finishPush(state));
    else world.latest.state = finishPush(state);
    await this.#turn();
  }

  /** Closes the database, and checks what is stored. */
  async finish(): Promise<void> {
    await this.#turn();
    await this.world.close();
    checkStored(this.world.path);
  }

  async #turn(): Promise<void> {
    const { committer } = this.world.engine;
    await new Promise((resolve) => setImmediate(resolve));
    await committer.whenDurable(this.world.latest.ts);
    await Promise.all(this.#outstanding);
    this.#outstanding = [];
    this.#acknowledged = this.world.latest.ts;
    if (this.#unexpected !== null) throw this.#unexpected;
    this.#watches.check();
  }

  async #restart(): Promise<void> {
    const { world } = this;
    await this.#turn();
    const { path } = world;
    await world.close();
    await this.#reopen(path);
  }

  /** @param copy makes the files that the next process finds, and the disk that they are on */
  async #crash(
    copy: (disk: SimulatedDisk, from: string, to: string) => SimulatedDisk,
  ): Promise<void> {
    const { world } = this;
    const path = world.newPath();
    const disk = copy(world.disk, world.path, path);
    const acknowledged = this.#acknowledged;
    this.#sessions.crash();
    await world.close();
    this.#outstanding = [];
    const recovered = readCopy(path, world.newPath());
    if (recovered < acknowledged) {
      throw new Mismatch(`${acknowledged} was acknowledged, but ${recovered} is what is left`);
    }
    while (world.versions.length > 1 && world.latest.ts > recovered) world.versions.pop();
    await this.#reopen(path, disk);
    this.#sessions.checkAfterCrash(world.engine, recovered);
  }

  async #reopen(path: string, disk?: SimulatedDisk): Promise<void> {
    const { world } = this;
    checkStored(path);
    await world.open(path, disk);
    this.#held = [];
    this.#chains = new Chains(world);
    this.#watches = new Watches(world);
    // What the database shows from now on, it must not lose.
    this.#acknowledged = world.latest.ts;
  }

  /** Waits at the end of the turn for what should not fail. */
  #expect(done: Promise<unknown>): void {
    this.#outstanding.push(done.catch((error) => this.#unexpected ??= error));
  }
}

function checkStored(path: string): void {
  const problems = [...checkDatabase(path)];
  if (problems.length > 0) throw new Mismatch(problems.join("\n"));
}
