// Serves actions: many at a time, on the event loop.

import type { RunCall } from "../frames.ts";
import type { HttpRequestHead } from "../types.ts";
import { ActionCode } from "./action_code.ts";
import {
  type ActionEnd,
  ActionExecution,
  type ActionServices,
  lazyCode,
} from "./action_execution.ts";
import { ActionInstances } from "./action_instances.ts";
import { CodeCache } from "./code_view.ts";
import type { FramePipe } from "./frame_pipe.ts";
import { nextTurn, realNowMs } from "./host.ts";
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
    instances: new ActionInstances(services.limits),
  };
  /** Evaluates modules that the next actions will need, one entry a turn, while there are none. */
  const useLeisure = (): void => {
    const { instances, code } = actionServices;
    if (running.size > 0 || !instances.wantsTime) return;
    instances.prepareOne((component) => lazyCode(code, component, urls));
    nextTurn(useLeisure);
  };
  const start = (call: RunCall, http: HttpRequestHead | null, isAgain: boolean) => {
    const { callId } = call;
    const onEnd = (end: ActionEnd) => {
      if (end === "done") {
        running.delete(callId);
        nextTurn(useLeisure);
      } else {
        // What it began is still on the stack.
        nextTurn(() => running.get(callId) === action && start(call, http, true));
      }
    };
    const action: ActionExecution = new ActionExecution(actionServices, call, http, onEnd, isAgain);
    running.set(callId, action);
    action.start();
  };
  for (;;) {
    const frame = await pipe.receiveAsync();
    if (frame === null) return;
    switch (frame.type) {
      case "action":
        if (frame.startBefore !== undefined) {
          const isLate = realNowMs() > frame.startBefore;
          options.send({ type: isLate ? "late" : "begun", callId: frame.callId });
          if (isLate) break;
        }
        start(frame.call, frame.http ?? null, false);
        break;
      case "reply":
        running.get(frame.callId)?.reply(frame.opId, frame.result);
        break;
      case "chunk":
      case "end":
      case "credit":
      case "stop":
        running.get(frame.callId)?.receive(frame);
        break;
      case "log":
        running.get(frame.callId)?.log(frame.level, frame.messages);
        break;
      case "disconnect":
        running.get(frame.callId)?.disconnect();
        break;
      case "cancel":
        running.get(frame.callId)?.cancel();
        running.delete(frame.callId);
        break;
      default:
        throw new Error(`an action isolate cannot serve ${frame.type}`);
    }
  }
}
