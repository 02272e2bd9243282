// Isolates that outlived their host. An isolate ends when its pipe closes, but one in an endless loop
// never looks at the pipe: when the host was killed with SIGKILL nobody ends it, and it uses a core
// until the next host of the same database does.

import { type IsolateProgram, readPermission } from "./isolate_process.ts";

/**
 * Ends the isolates that an earlier host of this program's database left behind. To be called before
 * own isolates start, by the holder of the database's lock: no other host can own any then.
 * Does nothing where processes do not show in `/proc`.
 * @returns the ids of the ended processes
 */
export function endOrphans(program: IsolateProgram): number[] {
  const permission = readPermission(program);
  const ended: number[] = [];
  for (const pid of processIds()) {
    const args = commandLine(pid);
    if (!args.includes(permission) || !args.includes(program.entry) || hasHost(pid)) continue;
    try {
      Deno.kill(pid, "SIGKILL");
      ended.push(pid);
    } catch {
      // It ended by itself, or belongs to another user.
    }
  }
  return ended;
}

function processIds(): number[] {
  try {
    return [...Deno.readDirSync("/proc")].map(({ name }) => Number(name)).filter((pid) => pid > 0);
  } catch {
    return [];
  }
}

/**
 * Whether the parent is a host: it runs the same executable. That of an orphan is the system's init.
 * (A host elsewhere, in a container that sees the same path, is not ours to disturb.)
 */
function hasHost(pid: number): boolean {
  try {
    // The name of the program stands in parentheses and may contain any character.
    const [, parent] = Deno.readTextFileSync(`/proc/${pid}/stat`).split(") ").at(-1)!.split(" ");
    return Deno.readLinkSync(`/proc/${pid}/exe`) === Deno.readLinkSync(`/proc/${parent}/exe`);
  } catch {
    return false;
  }
}

/** The arguments with which a process was started; none when it is gone. */
function commandLine(pid: number): string[] {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/cmdline`).split("\0");
  } catch {
    return [];
  }
}
