// What a mutation asks of the host while it runs. The isolate serves one call at a time, so the whole
// process waits for the answer, like for the database.

import { userError } from "../../engine/errors.ts";
import type { ToIsolate } from "../frames.ts";
import { isChunk } from "../stream_frames.ts";
import type { FramePipe } from "./frame_pipe.ts";
import { exitProcess } from "./host.ts";

export interface HostAnswer {
  /** JSON text. */
  readonly value: string;
  readonly bytes: Uint8Array | null;
}

/** Asks the host for a running call. @throws PlatformError what the function may be told */
export type AskHost = (
  callId: number,
  name: string,
  args: string,
  bytes?: Uint8Array,
) => HostAnswer;

/** Asks through the pipe. */
export function hostRequests(pipe: FramePipe): AskHost {
  let lastId = 0;
  return (callId, name, args, bytes) => {
    const opId = ++lastId;
    if (bytes !== undefined) pipe.send({ type: "chunk", callId, stream: opId, bytes });
    pipe.send({ type: "syscall", callId, opId, name, args });
    return receiveAnswer(pipe, callId, opId);
  };
}

function receiveAnswer(pipe: FramePipe, callId: number, opId: number): HostAnswer {
  /** Frames that are for later. */
  const others: ToIsolate[] = [];
  let bytes: Uint8Array | null = null;
  for (;;) {
    const frame = pipe.receive() ?? exitProcess(0);
    if (isChunk(frame) && frame.callId === callId && frame.stream === opId) {
      bytes = frame.bytes;
    } else if (frame.type === "reply" && frame.callId === callId && frame.opId === opId) {
      pipe.putBack(others);
      const { result } = frame;
      if (!result.ok) throw userError("HostRequestFailed", result.message, result.data);
      return { value: result.value, bytes };
    } else {
      others.push(frame);
    }
  }
}
