// Entry of an isolate process: opens the database read-only, gives up everything else, then serves
// frames until the host closes the pipe.

import { CursorCipher } from "../../engine/query/cursor.ts";
import { openReadOnly, SnapshotReader } from "../../engine/snapshot.ts";
import {
  type FromIsolate,
  type InitFrame,
  PROGRESS_INTERVAL_MS,
  type ToIsolate,
} from "../frames.ts";
import { LimitUsage } from "../limit_usage.ts";
import { serveActions } from "./actions.ts";
import { Analysis } from "./analysis.ts";
import type { ExecutionServices } from "./execution.ts";
import { FramePipe } from "./frame_pipe.ts";
import { hostRequests } from "./host_requests.ts";
import { exitProcess, failProcess, nextTurn } from "./host.ts";
import { InstanceCache } from "./instance_cache.ts";
import { lockDown } from "./lockdown.ts";
import { NestedReports } from "./nested_reports.ts";
import { UploadTokens } from "../upload_tokens.ts";
import { seedFromHex } from "./random.ts";
import { Transactions, type TransactionsOptions } from "./transactions.ts";

const pipe = new FramePipe();
const usage = new LimitUsage();

/** Sends a frame and, before it, what it brought nearer to the limits. */
function send(frame: FromIsolate): void {
  const highest = usage.takeRisen();
  const frames: FromIsolate[] = highest === null ? [frame] : [{ type: "usage", highest }, frame];
  for (const each of frames) {
    if (isResponse(frame)) pipe.sendSoon(each);
    else pipe.send(each);
  }
}

/** What the end of the action usually follows at once. */
function isResponse({ type }: FromIsolate): boolean {
  return type === "responseHead" || type === "chunk" || type === "end";
}

function start(): void {
  const init = pipe.receive();
  if (init === null) exitProcess(0);
  if (init.type !== "init") throw new Error(`the first frame is ${init.type}`);
  const reader = new SnapshotReader(openReadOnly(init.dbPath));
  // SQLite opens the other files of the database at the first read.
  reader.batch((view) => view.latest.ts);
  lockDown({ forActions: init.mode === "actions", ipv4Only: init.ipv4Only });
  const options = transactionsOptions(init, reader);
  pipe.send({ type: "ready" });
  if (init.mode === "actions") {
    serveActions(pipe, options).then(() => exitProcess(0), failProcess);
  } else new TransactionServer(new Transactions(options), new Analysis(options)).serve();
}

function transactionsOptions(init: InitFrame, reader: SnapshotReader): TransactionsOptions {
  const { runtimeLimits, env } = init;
  const services: ExecutionServices = {
    limits: runtimeLimits,
    urls: env,
    instances: new InstanceCache(runtimeLimits),
    usage,
    progress: reportProgress,
    nestedReports: new NestedReports((frame) => pipe.send(frame)),
  };
  return {
    isolate: init.isolate,
    reader,
    limits: init.limits,
    cursorCipher: new CursorCipher(seedFromHex(init.cursorKey)),
    services,
    urls: env,
    deploymentName: init.deploymentName,
    files: {
      cloudUrl: env.cloudUrl,
      uploadTokens: new UploadTokens(Uint8Array.fromHex(init.uploadKey)),
    },
    ask: hostRequests(pipe),
    send,
  };
}

let lastProgressMs = 0;

function reportProgress(
  callId: number,
  userMs: number,
  systemMs: number,
  nowMs: number,
): void {
  if (nowMs - lastProgressMs < PROGRESS_INTERVAL_MS) return;
  lastProgressMs = nowMs;
  pipe.send({ type: "progress", callId, userMs, systemMs });
}

/** Serves frames one after another; blocks the process while there are none. */
class TransactionServer {
  readonly #transactions: Transactions;
  readonly #analysis: Analysis;

  constructor(transactions: Transactions, analysis: Analysis) {
    this.#transactions = transactions;
    this.#analysis = analysis;
  }

  serve(): void {
    for (;;) {
      const frame = pipe.takeReceived() ?? this.#receive();
      if (frame === null) exitProcess(0);
      if (this.#handle(frame)) return;
    }
  }

  /** Waits for a frame, and uses the time before. */
  #receive(): ToIsolate | null {
    if (this.#transactions.hasLeisureWork) this.#transactions.useLeisure();
    return pipe.receive();
  }

  /** True when the frame is served over turns of the event loop; then it goes on by itself. */
  #handle(frame: ToIsolate): boolean {
    switch (frame.type) {
      case "run":
        this.#transactions.run(frame, this.#next);
        return true;
      case "analyze":
        this.#analysis.run(frame.request, (outcome) => {
          send({ type: "analyzed", id: frame.id, outcome });
          this.#next();
        });
        return true;
      case "reset":
        this.#transactions.reset(frame.epoch, frame.upTo);
        return false;
      case "confirm":
        // The snapshot itself says which members of the chain it contains.
        return false;
      default:
        throw new Error(`a transaction isolate cannot serve ${frame.type}`);
    }
  }

  readonly #next = (): void => nextTurn(() => failLoudly(() => this.serve()));
}

function failLoudly(body: () => void): void {
  try {
    body();
  } catch (error) {
    failProcess(error);
  }
}

// Deno announces that the program was loaded through globals that lockdown removes: wait for that.
nextTurn(() => failLoudly(start));
