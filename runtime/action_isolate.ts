// An isolate process that runs actions, many at a time. What an action asks of the server arrives as
// syscalls and is answered by whoever was named for it.

import type { PlatformError } from "../engine/errors.ts";
import type { FromIsolate, InitFrame, RunCall, SyscallResult } from "./frames.ts";
import { type ExitReason, IsolateProcess, type IsolateProgram } from "./isolate_process.ts";
import type { HighestUse } from "./limit_usage.ts";
import { processUsage } from "./process_usage.ts";
import type { ActionOutcome, LogLine } from "./types.ts";

export type ActionSyscallDispatcher = (
  name: string,
  args: string,
  call: RunCall,
) => Promise<SyscallResult>;

export interface RunningAction {
  readonly call: RunCall;
  readonly onLog: (line: LogLine) => void;
  readonly settle: (outcome: ActionOutcome) => void;
  readonly fail: (error: PlatformError) => void;
}

export interface ActionIsolateEvents {
  ready(isolate: ActionIsolate): void;
  /** An action ended and its place is free. */
  finished(isolate: ActionIsolate): void;
  /** Actions came nearer to their limits than any before in that isolate. */
  usage(highest: HighestUse): void;
  ended(isolate: ActionIsolate, reason: ExitReason, running: readonly RunningAction[]): void;
}

/** A process that computes this long without a word is not given more actions. */
const BUSY_MS_MAX = 3_000;
/** Share of the time that counts as computing. */
const BUSY_SHARE = 0.9;

export class ActionIsolate {
  readonly #process: IsolateProcess;
  readonly #events: ActionIsolateEvents;
  readonly #dispatch: ActionSyscallDispatcher;
  readonly #running = new Map<number, RunningAction>();
  #isReady = false;
  /** When the current silence began, and the processor time at that moment. */
  #silentSinceMs = 0;
  #silentSinceCpuMs: number | null = null;

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
    this.#process.send(init);
    this.#process.exited.then((reason) => {
      const running = [...this.#running.values()];
      this.#running.clear();
      this.#events.ended(this, reason, running);
    });
  }

  get isReady(): boolean {
    return this.#isReady && this.#process.alive;
  }

  get runningCount(): number {
    return this.#running.size;
  }

  get exited(): Promise<ExitReason> {
    return this.#process.exited;
  }

  run(action: RunningAction): void {
    this.#running.set(action.call.callId, action);
    this.#process.send({ type: "action", callId: action.call.callId, call: action.call });
  }

  /** Gives an action up; its outcome is no longer wanted. */
  cancel(callId: number): void {
    if (!this.#running.delete(callId)) return;
    this.#process.send({ type: "cancel", callId });
    this.#events.finished(this);
  }

  kill(): void {
    this.#process.kill();
  }

  /** Whether an action keeps the process from answering. To be asked regularly. */
  isBusy(nowMs: number): boolean {
    if (this.#running.size === 0) return false;
    const usage = processUsage(this.#process.pid);
    if (usage === null) return false;
    if (this.#silentSinceCpuMs === null) {
      this.#silentSinceMs = nowMs;
      this.#silentSinceCpuMs = usage.cpuMs;
      return false;
    }
    const silentMs = nowMs - this.#silentSinceMs;
    return silentMs > BUSY_MS_MAX &&
      usage.cpuMs - this.#silentSinceCpuMs > silentMs * BUSY_SHARE;
  }

  #receive(frames: FromIsolate[]): void {
    this.#silentSinceCpuMs = null;
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
          this.#running.get(frame.callId)?.onLog(frame.line);
          break;
        case "syscall":
          this.#syscall(frame);
          break;
        case "actionResult": {
          const action = this.#running.get(frame.callId);
          if (action === undefined) break;
          this.#running.delete(frame.callId);
          const { result, logLines, stats } = frame;
          action.settle({ result, logLines, stats });
          this.#events.finished(this);
          break;
        }
        default:
          throw new Error(`an action isolate sent a frame of type ${frame.type}`);
      }
    }
  }

  async #syscall(frame: FromIsolate & { type: "syscall" }): Promise<void> {
    const { callId, opId } = frame;
    const action = this.#running.get(callId);
    if (action === undefined) return;
    const result = await this.#dispatch(frame.name, frame.args, action.call);
    if (this.#running.has(callId)) this.#process.send({ type: "reply", callId, opId, result });
  }
}
