// An isolate process that runs actions, many at a time. What an action asks of the server arrives as
// syscalls and is answered by whoever was named for it.

import type { PlatformError } from "../engine/errors.ts";
import { BusyWatch } from "./busy_watch.ts";
import { ByteStreams } from "./byte_streams.ts";
import type { FromIsolate, InitFrame, RunCall, SyscallFrame, SyscallResult } from "./frames.ts";
import { type ExitReason, IsolateProcess, type IsolateProgram } from "./isolate_process.ts";
import type { HighestUse } from "./limit_usage.ts";
import { HTTP_BODY_STREAM } from "./stream_frames.ts";
import type { ActionOutcome, HttpExchange, HttpResponseHead, LogLevel, LogLine } from "./types.ts";

/** An action that comes while others run must begin so soon, or not at all in that isolate. */
const START_MS_MAX = 3_000;
/** So much later it has certainly not begun: the clock may be set, and what was said be on its way. */
const START_GRACE_MS = 2_000;

/** What a syscall has to do with beside its JSON: bytes, and the action that asks. */
export interface SyscallStreams {
  /** What the action sends with its request. */
  input(): ReadableStream<Uint8Array>;
  /** Sends bytes after the answer. */
  output(bytes: ReadableStream<Uint8Array>): void;
  /** Aborts when the action ends before the syscall. */
  readonly signal: AbortSignal;
  /** Adds a line to the action's log. */
  log(level: LogLevel, messages: readonly string[]): void;
}

export type ActionSyscallDispatcher = (
  name: string,
  args: string,
  call: RunCall,
  streams: SyscallStreams,
) => Promise<SyscallResult>;

export interface RunningAction {
  readonly call: RunCall;
  /** Of an HTTP action. */
  readonly exchange: HttpExchange | null;
  readonly onLog: (line: LogLine) => void;
  readonly settle: (outcome: ActionOutcome) => void;
  readonly fail: (error: PlatformError) => void;
}

/** An action whose isolate ended. */
export interface AbandonedAction {
  readonly action: RunningAction;
  /** Of the request's body, as far as the isolate got it; null if it is no HTTP action. */
  readonly requestBytes: number | null;
}

export interface ActionIsolateEvents {
  ready(isolate: ActionIsolate): void;
  /** An action ended and its place is free. */
  finished(isolate: ActionIsolate): void;
  /** The actions have not begun there and never will. */
  notBegun(isolate: ActionIsolate, actions: readonly RunningAction[]): void;
  /** Actions came nearer to their limits than any before in that isolate. */
  usage(highest: HighestUse): void;
  ended(isolate: ActionIsolate, reason: ExitReason, running: readonly AbandonedAction[]): void;
}

interface Running {
  /** Until when it may begin (milliseconds since the epoch); null once it has, or if that is not known. */
  startBefore: number | null;
  readonly action: RunningAction;
  readonly streams: ByteStreams;
  readonly ending: AbortController;
}

export class ActionIsolate {
  readonly #process: IsolateProcess;
  readonly #events: ActionIsolateEvents;
  readonly #dispatch: ActionSyscallDispatcher;
  readonly #running = new Map<number, Running>();
  #isReady = false;
  #hasCancelled = false;
  readonly #busyWatch: BusyWatch;

  constructor(
    init: InitFrame,
    process: IsolateProgram,
    dispatch: ActionSyscallDispatcher,
    events: ActionIsolateEvents,
  ) {
    this.#events = events;
    this.#dispatch = dispatch;
    this.#process = IsolateProcess.spawn({
      ...process,
      onFrames: (frames) => this.#receive(frames),
    });
    this.#busyWatch = new BusyWatch(this.#process.pid);
    this.#process.send(init);
    this.#process.exited.then((reason) => {
      const running = [...this.#running.values()];
      this.#running.clear();
      for (const each of running) end(each, "the action's isolate ended");
      // What one said that was stopped was not listened to in the end.
      const canMove = ({ startBefore }: Running) =>
        startBefore !== null && reason.kind !== "stopped";
      this.#events.notBegun(this, running.filter(canMove).map(({ action }) => action));
      this.#events.ended(this, reason, running.filter((each) => !canMove(each)).map(abandoned));
    });
  }

  get isReady(): boolean {
    return this.#isReady && this.#process.alive;
  }

  get runningCount(): number {
    return this.#running.size;
  }

  /** Actions that it has not begun yet, as far as is known. */
  get unbegunCount(): number {
    let count = 0;
    for (const { startBefore } of this.#running.values()) if (startBefore !== null) count++;
    return count;
  }

  isRunning(callId: number): boolean {
    return this.#running.has(callId);
  }

  /** Whether an action was given up here. */
  get hasCancelled(): boolean {
    return this.#hasCancelled;
  }

  get exited(): Promise<ExitReason> {
    return this.#process.exited;
  }

  run(action: RunningAction): void {
    const { call, exchange } = action;
    const { callId } = call;
    const streams = new ByteStreams(callId, (frame) => this.#process.send(frame));
    // The first one there begins at once. A request's body is on its way and comes only once.
    const isCertain = this.#running.size === 0 || (exchange !== null && exchange.body !== null);
    const startBefore = isCertain ? null : Date.now() + START_MS_MAX;
    this.#running.set(callId, { startBefore, action, streams, ending: new AbortController() });
    this.#process.send({
      type: "action",
      callId,
      call,
      ...(exchange === null ? {} : { http: exchange.request }),
      ...(startBefore === null ? {} : { startBefore }),
    });
    if (exchange === null) return;
    if (exchange.body !== null) streams.sendAll(HTTP_BODY_STREAM, exchange.body);
    if (exchange.signal.aborted) this.#disconnected(callId);
    else exchange.signal.addEventListener("abort", () => this.#disconnected(callId));
  }

  /** Gives an action up; its outcome is no longer wanted. */
  cancel(callId: number): void {
    const running = this.#running.get(callId);
    if (running === undefined) return;
    this.#running.delete(callId);
    if (running.startBefore === null) this.#hasCancelled = true;
    end(running, "the action was given up");
    this.#process.send({ type: "cancel", callId });
    this.#events.finished(this);
  }

  /** Takes back the actions that can no longer begin here. To be called regularly. */
  takeBack(): void {
    const lastStart = Date.now() - START_GRACE_MS;
    const late = [...this.#running].filter(([, { startBefore }]) =>
      startBefore !== null && startBefore < lastStart
    );
    this.#giveBack(late.map(([callId]) => callId));
  }

  kill(): void {
    this.#process.kill();
  }

  /** Whether an action keeps the process from answering. To be asked regularly. */
  isBusy(nowMs: number): boolean {
    return this.#running.size > 0 && this.#busyWatch.isBusy(nowMs);
  }

  #receive(frames: FromIsolate[]): void {
    this.#busyWatch.heard();
    for (const frame of frames) {
      switch (frame.type) {
        case "ready":
          this.#isReady = true;
          this.#events.ready(this);
          break;
        case "usage":
          this.#events.usage(frame.highest);
          break;
        case "log":
          this.#running.get(frame.callId)?.action.onLog(frame.line);
          break;
        case "chunk":
        case "end":
        case "credit":
        case "stop":
          this.#running.get(frame.callId)?.streams.receive(frame);
          break;
        case "begun": {
          const running = this.#running.get(frame.callId);
          if (running !== undefined) running.startBefore = null;
          break;
        }
        case "late":
          this.#giveBack([frame.callId]);
          break;
        case "responseHead":
          this.#respond(frame.callId, frame.head);
          break;
        case "syscall":
          this.#syscall(frame);
          break;
        case "actionResult": {
          const running = this.#running.get(frame.callId);
          if (running === undefined) break;
          this.#running.delete(frame.callId);
          end(running, "the action failed before it had sent everything");
          const { result, logLines, stats, environment } = frame;
          running.action.settle({ result, logLines, stats, environment });
          this.#events.finished(this);
          break;
        }
        default:
          throw new Error(`an action isolate sent a frame of type ${frame.type}`);
      }
    }
  }

  #giveBack(callIds: readonly number[]): void {
    const actions: RunningAction[] = [];
    for (const callId of callIds) {
      const running = this.#running.get(callId);
      if (running === undefined) continue;
      this.#running.delete(callId);
      end(running, "the action has not begun");
      actions.push(running.action);
    }
    if (actions.length > 0) this.#events.notBegun(this, actions);
  }

  #respond(callId: number, head: HttpResponseHead): void {
    const running = this.#running.get(callId);
    if (running === undefined) return;
    const { action: { exchange }, streams } = running;
    const body = head.body === "none"
      ? null
      : head.body === "arrived"
      ? streams.takeArrived(HTTP_BODY_STREAM)
      : streams.incoming(HTTP_BODY_STREAM, () => this.#disconnected(callId));
    exchange?.respond(head, body);
  }

  #disconnected(callId: number): void {
    if (this.#running.has(callId)) this.#process.send({ type: "disconnect", callId });
  }

  async #syscall(frame: SyscallFrame): Promise<void> {
    const { callId, opId } = frame;
    const running = this.#running.get(callId);
    if (running === undefined) return;
    const { action, streams, ending } = running;
    const result = await this.#dispatch(frame.name, frame.args, action.call, {
      input: () => streams.incoming(opId),
      output: (bytes) => void streams.sendAll(opId, bytes),
      signal: ending.signal,
      log: (level, messages) => this.#process.send({ type: "log", callId, level, messages }),
    });
    if (this.#running.has(callId)) this.#process.send({ type: "reply", callId, opId, result });
  }
}

function abandoned({ action, streams }: Running): AbandonedAction {
  const requestBytes = action.exchange === null ? null : streams.sentBytes(HTTP_BODY_STREAM);
  return { action, requestBytes };
}

/** Whoever still works for the action may stop. */
function end({ streams, ending }: Running, why: string): void {
  streams.close(why);
  ending.abort();
}
