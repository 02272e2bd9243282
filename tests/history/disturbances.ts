// What goes wrong while the clients are at work: isolates are killed, connections are cut.

import type { Server } from "../harness/server.ts";
import type { TcpProxy } from "../harness/tcp_proxy.ts";

const PAUSE_MS_MIN = 300;
const PAUSE_MS_MAX = 1500;
const CUT_PART = 0.3;

export interface DisturbanceCount {
  killedIsolates: number;
  cuts: number;
}

/** Disturbs until the time is over. */
export async function disturb(
  server: Server,
  proxy: TcpProxy,
  random: () => number,
  endMs: number,
): Promise<DisturbanceCount> {
  const count: DisturbanceCount = { killedIsolates: 0, cuts: 0 };
  while (true) {
    const pauseMs = PAUSE_MS_MIN + random() * (PAUSE_MS_MAX - PAUSE_MS_MIN);
    if (Date.now() + pauseMs > endMs) return count;
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    if (random() < 0.5) {
      proxy.cut(CUT_PART, random);
      count.cuts++;
    } else {
      const isolates = await childrenOf(server.pid);
      const victim = isolates[Math.floor(random() * isolates.length)];
      if (victim === undefined) continue;
      try {
        Deno.kill(victim, "SIGKILL");
        count.killedIsolates++;
      } catch {
        // It has ended by itself.
      }
    }
  }
}

/** Process ids of the isolates: the host process has no other children for long. */
async function childrenOf(pid: number): Promise<number[]> {
  const pids: number[] = [];
  for await (const { name } of Deno.readDir(`/proc/${pid}/task`)) {
    const text = await Deno.readTextFile(`/proc/${pid}/task/${name}/children`).catch(() => "");
    pids.push(...text.split(" ").filter((part) => part !== "").map(Number));
  }
  return pids;
}
