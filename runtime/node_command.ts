// How a Node process is started: under Deno, whose permissions it gets, or under an installed Node,
// whose permission model knows less. Both run the same program and speak the same frames.

import { FRAMES_FILE } from "./frames.ts";
import { type InstalledNode, installedNodeArguments } from "./installed_node.ts";
import { isolateEnvironment, type ProcessCommand } from "./isolate_process.ts";
import type { OutboundPolicy } from "./outbound_policy.ts";

/** Code that opens sockets by itself is kept from IPv6 by the kernel. */
const IPV4_ONLY_ARGUMENTS: readonly string[] = [
  ...["run", "--quiet", "--no-prompt", "--no-lock", "--no-remote", "--cached-only", "--no-config"],
  ...["--allow-ffi", new URL("./node/ipv4_only.ts", import.meta.url).pathname],
];

export interface NodeSandbox {
  readonly program: string;
  /** Names the server's processes among others (orphans.ts). */
  readonly marker: string;
  /** Where the process runs. */
  readonly workingDirectory: string;
  readonly readable: readonly string[];
  readonly writable: readonly string[];
  /** The directory whose native add-ons it may load, if any. They know no permissions. */
  readonly nativeAddons: string | null;
  readonly heapMebibytes: number;
  readonly outbound: OutboundPolicy;
}

/** @param node null: Deno */
export function nodeCommand(node: InstalledNode | null, options: NodeSandbox): ProcessCommand {
  // The frames have a file of their own: worker threads and native code print to stdout.
  const sandbox = { ...options, writable: [...options.writable, FRAMES_FILE] };
  const { program, marker, workingDirectory } = sandbox;
  const flags = node === null ? denoArguments(sandbox) : installedNodeArguments(node, sandbox);
  const executable = node?.executable ?? Deno.execPath();
  const args = [...flags, program, marker];
  const { ipv4Only } = options.outbound;
  return {
    executable: ipv4Only ? Deno.execPath() : executable,
    args: ipv4Only ? [...IPV4_ONLY_ARGUMENTS, executable, ...args] : args,
    env: isolateEnvironment(),
    cwd: workingDirectory,
    framesApart: true,
  };
}

function denoArguments(sandbox: NodeSandbox): string[] {
  const { readable, writable, nativeAddons, heapMebibytes, outbound } = sandbox;
  return [
    ...["run", "--quiet", "--no-prompt", "--no-lock", "--no-remote", "--cached-only"],
    ...["--no-config", "--node-modules-dir=manual"],
    `--allow-read=${readable.join(",")}`,
    `--allow-write=${writable.join(",")}`,
    // The variables of such a process are given to it. What packages ask of the machine is no secret.
    "--allow-env",
    "--allow-sys=hostname,osRelease,osUptime,loadavg,systemMemoryInfo,cpus,uid,gid,homedir",
    ...(nativeAddons === null ? [] : [`--allow-ffi=${nativeAddons}`]),
    ...networkArguments(outbound),
    `--v8-flags=--max-old-space-size=${heapMebibytes}`,
  ];
}

/** Connections go out only: nobody may come in at all addresses of the machine. */
function networkArguments({ denied }: OutboundPolicy): string[] {
  return ["--allow-net", `--deny-net=${["0.0.0.0", "[::]", ...denied].join(",")}`];
}
