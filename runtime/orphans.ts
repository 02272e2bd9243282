// Isolates that outlived their host. An isolate ends when its pipe closes, but one in an endless loop
// never looks at the pipe: when the host was killed with SIGKILL nobody ends it, and it uses a core
// until the next host of the same database does.

/**
 * Ends the processes that an earlier host of a database left behind. To be called before own ones
 * start, by the holder of the database's lock: no other host can own any then.
 * Does nothing where processes do not show in `/proc`.
 * @param marks arguments that tell the database's processes from others
 * @returns the ids of the ended processes
 */
export function endOrphans(marks: readonly string[]): number[] {
  const ended: number[] = [];
  for (const pid of processIds()) {
    const args = commandLine(pid);
    if (!marks.every((mark) => args.includes(mark)) || hasHost(pid)) continue;
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
 * Whether the parent is a host: it runs the executable of this one. That of an orphan is the system's init.
 * (A host elsewhere, in a container that sees the same path, is not ours to disturb.)
 */
function hasHost(pid: number): boolean {
  try {
    // The name of the program stands in parentheses and may contain any character.
    const [, parent] = Deno.readTextFileSync(`/proc/${pid}/stat`).split(") ").at(-1)!.split(" ");
    return Deno.readLinkSync("/proc/self/exe") === Deno.readLinkSync(`/proc/${parent}/exe`);
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
