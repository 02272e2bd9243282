// What actions ask of the scheduler. Each call is a transaction of its own that stays committed if
// the action fails later (spec services 1.3).

import { requireMounted } from "../../engine/components.ts";
import type { Engine } from "../../engine/engine.ts";
import type { ActionSyscalls } from "../../runtime/action_syscalls.ts";
import { HostCode } from "../../runtime/host_code.ts";
import { cancelScheduled, scheduleFunction } from "../../runtime/isolate/scheduling.ts";

export function registerScheduling(syscalls: ActionSyscalls, engine: Engine): void {
  syscalls.register("1.0/actions/schedule", async (args, call) => {
    const { component } = call.path;
    const { value: id } = await engine.transact((tx) => {
      requireMounted(tx, component);
      const code = new HostCode(tx);
      return scheduleFunction(args, { tx, code, component, parent: call.job, warn: () => {} });
    });
    return JSON.stringify(id);
  });
  syscalls.register("1.0/actions/cancel_job", async (args, call) => {
    const { component } = call.path;
    await engine.transact((tx) => {
      requireMounted(tx, component);
      cancelScheduled(tx, component, args.id);
    });
    return "null";
  });
}
