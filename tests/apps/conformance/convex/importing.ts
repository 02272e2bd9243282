// What module level code may do. The variable AT_IMPORT chooses; it is not set at push.
import { actionGeneric as action, queryGeneric as query } from "convex/server";

declare const process: { env: Record<string, string | undefined> };
interface Syscalls {
  syscall(name: string, args: string): string;
  asyncSyscall(name: string, args: string): Promise<string>;
}
const syscalls = (globalThis as unknown as { Convex: Syscalls }).Convex;

console.info("module level");

const doings: Record<string, () => unknown> = {
  read: () => syscalls.asyncSyscall("1.0/get", '{"id":"x"}'),
  stream: () => syscalls.syscall("1.0/queryStream", "{}"),
  componentArgument: () => syscalls.syscall("1.0/componentArgument", '{"name":"a"}'),
  fetch: () => fetch("http://127.0.0.1:9/"),
  timer: () => setTimeout(() => {}, 1),
  interval: () => setInterval(() => {}, 1),
  generateKey: () => crypto.subtle.generateKey({ name: "AES-GCM", length: 128 }, true, ["encrypt"]),
  throwing: () => {
    throw new RangeError("at module level");
  },
};

const chosen = process.env.AT_IMPORT;
let found: unknown = "nothing";
if (chosen !== undefined) {
  try {
    found = doings[chosen]!();
    if (found instanceof Promise) {
      const promise = found as Promise<unknown>;
      found = promise.then(() => "no error", (error: Error) => error.message);
    }
  } catch (error) {
    if (chosen === "throwing") throw error;
    found = (error as Error).message;
  }
}

const answer = async () => String(await found);
export const inQuery = query({ args: {}, handler: answer });
export const inAction = action({ args: {}, handler: answer });
