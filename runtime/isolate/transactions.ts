// Runs the batches of queries and mutations that the host sends, one call after another, all in one
// SQLite read transaction a batch.

import { ROOT_COMPONENT } from "../../engine/components.ts";
import type { ReadView, SnapshotReader } from "../../engine/snapshot.ts";
import type { TransactionLimits } from "../../engine/limits.ts";
import type { CursorCipher } from "../../engine/query/cursor.ts";
import type { Timestamp } from "../../engine/timestamp.ts";
import { Transaction } from "../../engine/transaction.ts";
import type { ComponentId, Snapshot } from "../../engine/types.ts";
import { type FromIsolate, RESULTS_HELD_MS_MAX, type RunCall, type RunFrame } from "../frames.ts";
import type { RunResult } from "../frames.ts";
import type { FunctionResult } from "../types.ts";
import { Chain } from "./chain.ts";
import { TransactionClock } from "./clock.ts";
import { CodeCache, CodeView } from "./code_view.ts";
import { drive } from "./drive.ts";
import { Execution, type ExecutionServices } from "./execution.ts";
import { INTERNAL_ERROR_TEXT } from "./function_result.ts";
import { heapUsedBytes, monotonicMs, realNowMs } from "./host.ts";
import type { AskHost } from "./host_requests.ts";
import { componentCode, type SystemUrls } from "./imported_modules.ts";
import { beginJob, completeJob } from "./job_record.ts";
import { readProcessor, usedOf } from "./processor_time.ts";
import { RandomStream, seedFromHex } from "./random.ts";
import { type FileServices, ReuseState, type RunState, TransactionRun } from "./transaction_run.ts";

/** Least time between two looks at the heap. */
const HEAP_NOTE_INTERVAL_MS = 100;
const BYTES_PER_MEBIBYTE = 2 ** 20;
/** Ids and the function's random numbers come from different streams of one seed. */
const ID_STREAM_TAG = 1;

export interface TransactionsOptions {
  readonly isolate: number;
  readonly reader: SnapshotReader;
  readonly limits: TransactionLimits;
  readonly cursorCipher: CursorCipher;
  readonly services: ExecutionServices;
  readonly urls: SystemUrls;
  readonly deploymentName: string;
  readonly files: FileServices;
  readonly ask: AskHost;
  send(frame: FromIsolate): void;
}

const NOTHING_RAN: FunctionResult = { ok: false, error: { text: "" } };

/** One read transaction of a batch, with what the runs in it share. */
interface BatchView {
  readonly view: ReadView;
  /** Greatest position of the chain that the view contains; null until a mutation asks. */
  chainSeq: number | null;
  readonly older: Map<Timestamp, Snapshot>;
  readonly codeViews: Map<Snapshot, CodeView>;
}

export class Transactions {
  readonly #options: TransactionsOptions;
  readonly #chain = new Chain();
  readonly #codeCache = new CodeCache();
  #epoch = 0;
  /** What later mutations create comes after what earlier ones have created, within a millisecond too. */
  #nextCreationTime = 0;
  #heapNotedMs = 0;
  /** Results of the batch that have not been sent yet. */
  #held: RunResult[] = [];

  constructor(options: TransactionsOptions) {
    this.#options = options;
  }

  reset(epoch: number, upTo: number): void {
    this.#epoch = epoch;
    this.#chain.reset(upTo);
  }

  /** Runs the calls in order. `done` is called from the event loop. */
  run(frame: RunFrame, done: () => void): void {
    this.#epoch = frame.epoch;
    const batch: BatchView = {
      view: this.#options.reader.begin(),
      chainSeq: null,
      older: new Map(),
      codeViews: new Map(),
    };
    const deferred: number[] = [];
    let heldSinceMs = 0;
    const next = (position: number) => {
      const call = frame.calls[position];
      if (call === undefined) {
        this.#chain.release();
        batch.view.close();
        this.#noteHeap();
        this.#release();
        if (deferred.length > 0) this.#options.send({ type: "deferred", callIds: deferred });
        done();
        return;
      }
      const isHeld = this.#held.length > 0;
      if (isHeld && monotonicMs() - heldSinceMs > RESULTS_HELD_MS_MAX) this.#release();
      if (call.kind === "mutation" && !this.#chain.isResolved(this.#chainSeq(batch))) {
        deferred.push(call.callId);
        next(position + 1);
        return;
      }
      this.#runCall(batch, call, (result) => {
        if (result !== null) {
          if (this.#held.length === 0) heldSinceMs = monotonicMs();
          this.#held.push(result);
        }
        next(position + 1);
      });
    };
    next(0);
  }

  /** Sends the results that are ready. */
  #release(): void {
    if (this.#held.length === 0) return;
    this.#options.send({ type: "results", results: this.#held });
    this.#held = [];
  }

  #noteHeap(): void {
    const nowMs = monotonicMs();
    if (nowMs - this.#heapNotedMs < HEAP_NOTE_INTERVAL_MS) return;
    this.#heapNotedMs = nowMs;
    const mebibytes = Math.round(heapUsedBytes() / BYTES_PER_MEBIBYTE);
    this.#options.services.usage.note("heapMebibytes", mebibytes);
  }

  #runCall(batch: BatchView, call: RunCall, done: (result: RunResult | null) => void): void {
    const startedMs = monotonicMs();
    const processor = readProcessor(startedMs);
    const usedMs = () => usedOf(monotonicMs() - startedMs, processor);
    // A failed mutation takes a position too: the host counts along.
    const chainSeq = call.kind === "mutation" ? this.#chain.next() : 0;
    const fail = (failure: unknown) => {
      this.#options.send({ type: "failed", callId: call.callId, message: failureText(failure) });
      done(null);
    };
    const attempt = (allowSealed: boolean) => {
      let execution: Execution;
      try {
        execution = this.#execution(batch, call, allowSealed);
        if (!this.#beginsJob(call, execution.run)) {
          done({ ...this.#result(call, chainSeq, execution, usedMs()), isSuperseded: true });
          return;
        }
        execution.start();
      } catch (failure) {
        fail(failure);
        return;
      }
      drive(execution, (failure) => {
        if (failure !== undefined) {
          fail(failure);
        } else if (this.#mustRepeat(execution)) {
          attempt(false);
        } else {
          done(this.#result(call, chainSeq, execution, usedMs()));
        }
      });
    };
    attempt(true);
  }

  /** Whether the call, if it is a scheduled mutation, is to run now. */
  #beginsJob({ jobRecord }: RunCall, { tx, code }: TransactionRun): boolean {
    if (jobRecord === undefined) return true;
    return code.deployment()?.state !== "paused" && beginJob(tx, jobRecord);
  }

  /**
   * Whether what runs share may have shown: sealed instances or locked built-ins. The entries get
   * fresh instances or private realms from now on.
   */
  #mustRepeat(execution: Execution): boolean {
    const { reuse } = execution.run.state;
    const { instances } = this.#options.services;
    if (reuse.isDoubtful) {
      for (const { component, path } of reuse.entries) instances.refuseSealed(component, path);
      return true;
    }
    if (!reuse.needsPrivateRealm) return false;
    for (const { component, path, modules } of reuse.patching) {
      instances.requirePrivateRealm(component, path, modules);
    }
    return true;
  }

  #execution(batch: BatchView, call: RunCall, allowSealed: boolean): Execution {
    const options = this.#options;
    const snapshot = this.#snapshot(batch, call);
    if (call.kind !== "query" && call.kind !== "mutation") {
      throw new Error(`a ${call.kind} cannot run in a transaction`);
    }
    const ids = new RandomStream(
      () => new Uint8Array([...seedFromHex(call.seed), ID_STREAM_TAG]),
    );
    const nowMs = realNowMs();
    const tx = new Transaction(snapshot, {
      nowMs,
      creationTimeMin: call.kind === "mutation" ? this.#nextCreationTime : 0,
      randomBytes: (n) => ids.bytes(n),
      limits: options.limits,
      cursorCipher: options.cursorCipher,
    });
    // Functions cannot write code: the chain's overlay does not matter for it.
    const code = this.#codeView(batch, call.at === null ? batch.view.latest : snapshot).access(tx);
    const origin = code.udfConfig(ROOT_COMPONENT)?.importPhaseUnixTimestamp ?? 0;
    const state: RunState = {
      call,
      clock: new TransactionClock(nowMs, origin, call.kind === "mutation"),
      deploymentName: options.deploymentName,
      files: options.files,
      ask: (name, args, bytes) => {
        // Others need not wait for the answer.
        this.#release();
        return options.ask(call.callId, name, JSON.stringify(args), bytes);
      },
      observedIdentity: false,
      reuse: new ReuseState(allowSealed),
    };
    const run = new TransactionRun(state, call.kind, call.path, tx, code, call.journal);
    const request = {
      path: call.path,
      kind: call.kind,
      visibility: call.visibility,
      notFoundWording: call.notFoundWording,
      args: call.args,
      depth: 0,
      nested: null,
    };
    const random = new RandomStream(() => seedFromHex(call.seed));
    return new Execution(options.services, run, random, request);
  }

  #snapshot(batch: BatchView, call: RunCall): Snapshot {
    if (call.at !== null) {
      let snapshot = batch.older.get(call.at);
      if (snapshot === undefined) batch.older.set(call.at, snapshot = batch.view.at(call.at));
      return snapshot;
    }
    if (call.kind === "query") return batch.view.latest;
    return this.#chain.over(batch.view.latest, this.#chainSeq(batch));
  }

  #chainSeq(batch: BatchView): number {
    return batch.chainSeq ??= batch.view.chainSeq(this.#options.isolate);
  }

  #codeView(batch: BatchView, snapshot: Snapshot): CodeView {
    let codeView = batch.codeViews.get(snapshot);
    if (codeView === undefined) {
      codeView = new CodeView(snapshot, this.#codeCache, batch.view.configuration);
      batch.codeViews.set(snapshot, codeView);
    }
    return codeView;
  }

  #result(call: RunCall, chainSeq: number, execution: Execution, executionMs: number): RunResult {
    const { run } = execution;
    const result: FunctionResult = execution.result ?? NOTHING_RAN;
    if (call.jobRecord !== undefined && result.ok) {
      completeJob(run.tx, call.jobRecord, realNowMs());
    }
    const finished = run.tx.finish();
    const writes = result.ok ? finished.writes : [];
    if (chainSeq > 0) this.#chain.add(chainSeq, writes);
    if (writes.length > 0) this.#nextCreationTime = run.tx.nextCreationTime;
    const { usage } = run.tx;
    return {
      callId: call.callId,
      epoch: this.#epoch,
      chainSeq,
      result,
      begin: finished.begin,
      readSet: finished.readSet,
      writes,
      journal: run.journalOut,
      logLines: execution.log.lines,
      observedIdentity: run.state.observedIdentity,
      observedTime: run.state.clock.observed,
      stats: {
        executionMs,
        documentsRead: usage.documentsRead,
        bytesRead: usage.bytesRead,
        documentsWritten: usage.documentsWritten,
        bytesWritten: usage.bytesWritten,
      },
    };
  }

  get hasLeisureWork(): boolean {
    return this.#options.services.instances.wantsTime;
  }

  /** Evaluates modules that the next call will need; for times when there is nothing to run. */
  useLeisure(): void {
    const { reader, services, urls, limits, cursorCipher } = this.#options;
    reader.batch((view) => {
      const codeView = new CodeView(view.latest, this.#codeCache, view.configuration);
      const tx = new Transaction(view.latest, {
        nowMs: realNowMs(),
        randomBytes: (n) => new Uint8Array(n),
        limits,
        cursorCipher,
      });
      const access = codeView.access(tx);
      services.instances.prepareOne((component: ComponentId) =>
        componentCode(access, component, urls)
      );
    });
  }
}

function failureText(failure: unknown): string {
  const detail = failure instanceof Error ? failure.message : String(failure);
  return `${INTERNAL_ERROR_TEXT} (${detail})`;
}
