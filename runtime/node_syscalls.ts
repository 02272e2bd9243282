// What actions in Node ask of the host, and how an isolate hands an action over to a Node process.
// Calls of functions, files and schedules are answered as for all actions; the rest an isolate would
// know by itself.

import type { Engine } from "../engine/engine.ts";
import type { ActionSyscalls, SyscallArguments } from "./action_syscalls.ts";
import { RUN_IN_NODE, type RunCall } from "./frames.ts";
import { HostCode } from "./host_code.ts";
import { createFunctionHandle, resolveInAction } from "./isolate/function_address.ts";
import {
  deploymentMetadataJson,
  functionMetadataJson,
  identityJson,
  requestMetadataJson,
} from "./isolate/syscalls_other.ts";
import type { NodePool } from "./node_pool.ts";

export interface NodeSyscallsOptions {
  readonly engine: Engine;
  readonly pool: NodePool;
  readonly deploymentName: string;
}

export function registerNodeSyscalls(syscalls: ActionSyscalls, options: NodeSyscallsOptions): void {
  const { engine, pool, deploymentName } = options;
  syscalls.register(
    RUN_IN_NODE,
    async (_, call, action) => JSON.stringify(await pool.run(call, action)),
  );
  const immediate = (name: string, answer: (args: SyscallArguments, call: RunCall) => string) =>
    // deno-lint-ignore require-await -- errors must be rejections
    syscalls.register(name, async (args, call) => answer(args, call));
  immediate("1.0/getUserIdentity", (_, { identity }) => identityJson(identity));
  immediate("1.0/getRequestMetadata", (_, call) => requestMetadataJson(call));
  immediate("1.0/getDeploymentMetadata", () => deploymentMetadataJson(deploymentName));
  immediate("1.0/getFunctionMetadata", (_, { path }) => {
    return engine.read((tx) => functionMetadataJson(path, new HostCode(tx))).value;
  });
  immediate("1.0/createFunctionHandle", (args, { path }) => {
    return engine.read((tx) =>
      JSON.stringify(createFunctionHandle(args, path.component, new HostCode(tx), resolveInAction))
    ).value;
  });
}
