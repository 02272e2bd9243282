// What actions ask of the scheduler. Each call is a transaction of its own that stays committed if
// the action fails later (spec services 1.3).

import type { Engine } from "../../engine/engine.ts";
import type { ActionSyscalls } from "../../runtime/action_syscalls.ts";
import { HostCode } from "../../runtime/host_code.ts";
import { cancelScheduled, scheduleFunction } from "../../runtime/isolate/scheduling.ts";

export function registerScheduling(syscalls: ActionSyscalls, engine: Engine): void {
  syscalls.register("1.0/actions/schedule", async (args, call) => {
    const { value: id } = await engine.transact((tx) =>
      scheduleFunction(args, {
        tx,
        code: new HostCode(tx),
        component: call.path.component,
        parent: call.job,
        warn: () => {},
      })
    );
    return JSON.stringify(id);
  });
  syscalls.register("1.0/actions/cancel_job", async (args, call) => {
    await engine.transact((tx) => cancelScheduled(tx, call.path.component, args.id));
    return "null";
  });
}
