// Stands in for an isolate in the tests of the host side: speaks the frames, and does what the name
// of the called function says.

import {
  FrameDecoder,
  FrameEncoder,
  type FromIsolate,
  type RunCall,
  type RunResult,
  type ToIsolate,
} from "../frames.ts";
import type { Timestamp } from "../../engine/timestamp.ts";

const decoder = new FrameDecoder<ToIsolate>();
const encoder = new FrameEncoder();
const chunk = new Uint8Array(65_536);
let epoch = 0;
let chainSeq = 0;
const kept: unknown[] = [];

function send(frame: FromIsolate): void {
  encoder.add(frame);
  const bytes = encoder.take();
  for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
}

function spin(durationMs: number): void {
  const end = performance.now() + durationMs;
  while (performance.now() < end);
}

function run(call: RunCall): RunResult {
  const startMs = performance.now();
  const [argument] = JSON.parse(call.args) as [Record<string, number>];
  switch (call.path.name) {
    case "loop":
      for (;;);
    case "heap":
      for (const hoard: unknown[] = [];;) hoard.push(new Array(1_000_000).fill(0));
    case "buffers":
      for (const hoard: unknown[] = [];;) hoard.push(new Uint8Array(16_000_000).fill(1));
    case "keep":
      // In arrays of 8 KB, on the heap.
      for (let kilobytes = 0; kilobytes < argument.kilobytes!; kilobytes += 8) {
        kept.push(new Array(1000).fill(0.5));
      }
      spin(30);
      break;
    case "crash":
      throw new Error("crash");
    case "nest": {
      // Loops in its first nested call, if that is not stopped.
      const { callId, nested, path } = call;
      send({ type: "nests", callId });
      if (nested?.stopped.some(({ position }) => position === "0")) break;
      const running = { position: "0", path, args: "" };
      if (nested) send({ type: "nested", callId, running, userMs: 0, systemMs: 0 });
      for (;;);
    }
    case "spin":
      spin(argument.ms!);
      break;
    case "system": {
      // Long in syscalls, which is not the function's own time.
      for (let systemMs = 0; systemMs < argument.ms!; systemMs += 100) {
        spin(100);
        send({ type: "progress", callId: call.callId, userMs: 0, systemMs });
      }
    }
  }
  const isMutation = call.kind === "mutation";
  return {
    callId: call.callId,
    epoch,
    chainSeq: isMutation ? ++chainSeq : 0,
    result: { ok: true, value: JSON.stringify({ args: call.args, pid: Deno.pid }) },
    begin: 1 as Timestamp,
    readSet: [],
    writes: isMutation ? [{ tablet: 1, id: call.path.name, json: "{}", isNew: false }] : [],
    journal: null,
    logLines: [],
    observedIdentity: false,
    observedTime: false,
    stats: {
      executionMs: performance.now() - startMs,
      documentsRead: 0,
      bytesRead: 0,
      documentsWritten: 0,
      bytesWritten: 0,
    },
  };
}

/** Actions ask the host for what they are told to and answer with what they got. */
function act(call: RunCall): void {
  const { callId } = call;
  const answer = (value: string) =>
    send({
      type: "actionResult",
      environment: "isolate",
      callId,
      result: { ok: true, value },
      logLines: [],
      stats: run(call).stats,
    });
  switch (call.path.name) {
    case "never":
      return;
    case "ask":
      return send({ type: "syscall", callId, opId: 1, name: "test/double", args: "21" });
    case "log":
      send({
        type: "log",
        callId,
        line: { level: "LOG", messages: ["'hello'"], isTruncated: false, timestamp: 1 },
      });
      return answer("null");
    default:
      run(call);
      return answer(String(Deno.pid));
  }
}

for (;;) {
  const size = Deno.stdin.readSync(chunk);
  if (size === null) break;
  for (const frame of decoder.push(chunk.subarray(0, size))) {
    // One that never gets ready is named so.
    if (frame.type === "init" && frame.deploymentName !== "silent") send({ type: "ready" });
    if (frame.type === "reset") epoch = frame.epoch;
    if (frame.type === "action") {
      const { callId, startBefore } = frame;
      const isLate = startBefore !== undefined && Date.now() > startBefore;
      if (startBefore !== undefined) send({ type: isLate ? "late" : "begun", callId });
      if (!isLate) act(frame.call);
    }
    if (frame.type === "reply") {
      const value = JSON.stringify(frame.result);
      const stats = run({ path: {}, args: "[{}]" } as RunCall).stats;
      const { callId } = frame;
      send({
        type: "actionResult",
        callId,
        result: { ok: true, value },
        logLines: [],
        stats,
        environment: "isolate",
      });
    }
    if (frame.type === "run") send({ type: "results", results: frame.calls.map(run) });
  }
}
