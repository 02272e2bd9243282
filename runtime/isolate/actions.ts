// Serves actions: many at a time, on the event loop.

import type { RunCall } from "../frames.ts";
import { ActionCode } from "./action_code.ts";
import { ActionExecution, type ActionServices } from "./action_execution.ts";
import { CodeCache } from "./code_view.ts";
import type { FramePipe } from "./frame_pipe.ts";
import { clearTimer } from "./realm_network.ts";
import type { TransactionsOptions } from "./transactions.ts";

/** Resolves when the host closes the pipe. */
export async function serveActions(pipe: FramePipe, options: TransactionsOptions): Promise<void> {
  const { reader, services, urls, deploymentName } = options;
  const running = new Map<number, ActionExecution>();
  const actionServices: ActionServices = {
    limits: services.limits,
    urls,
    deploymentName,
    code: new ActionCode(reader, new CodeCache(), options),
    send: options.send,
    usage: services.usage,
    clearTimer,
  };
  const start = (callId: number, call: RunCall) => {
    const action = new ActionExecution(actionServices, call, () => running.delete(callId));
    running.set(callId, action);
    action.start();
  };
  for (;;) {
    const frame = await pipe.receiveAsync();
    if (frame === null) return;
    switch (frame.type) {
      case "action":
        start(frame.callId, frame.call);
        break;
      case "reply":
        running.get(frame.callId)?.reply(frame.opId, frame.result);
        break;
      case "cancel":
        running.get(frame.callId)?.cancel();
        break;
      default:
        throw new Error(`an action isolate cannot serve ${frame.type}`);
    }
  }
}
