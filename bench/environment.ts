// What the scenarios share: a server with the bank pushed to it, its accounts, and load processes.
import { ChildOutput } from "../tests/harness/child_output.ts";
import { httpClient, mutation } from "../tests/harness/clients.ts";
import { serverWithApp } from "../tests/harness/pushed_app.ts";
import { fromRepository, type Server } from "../tests/harness/server.ts";

export const ACCOUNTS = 10_000;
const OPENED_AT_ONCE = 1000;
const START_BALANCE = 1000;

export interface Bank {
  readonly server: Server;
  /** A JSON file with the ids of the `ACCOUNTS` accounts. */
  readonly accountsFile: string;
  /** The same for as many other accounts, which no scenario subscribes to. */
  readonly otherAccountsFile: string;
}

/** Started when the first scenario asks for it; one for the whole run. */
export class Environment implements AsyncDisposable {
  readonly dir = Deno.makeTempDirSync({ prefix: "concave-bench-" });
  #bank: Promise<Bank> | null = null;

  bank(): Promise<Bank> {
    return this.#bank ??= this.#openBank();
  }

  async #openBank(): Promise<Bank> {
    const server = await serverWithApp("tests/apps/bank");
    const accountsFile = `${this.dir}/accounts.json`;
    const otherAccountsFile = `${this.dir}/other_accounts.json`;
    await openAccounts(server, 0, accountsFile);
    await openAccounts(server, ACCOUNTS, otherAccountsFile);
    return { server, accountsFile, otherAccountsFile };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#bank !== null) await (await this.#bank).server[Symbol.asyncDispose]();
    await Deno.remove(this.dir, { recursive: true });
  }
}

async function openAccounts(server: Server, first: number, file: string): Promise<void> {
  const ids: string[] = [];
  for (let opened = 0; opened < ACCOUNTS; opened += OPENED_AT_ONCE) {
    ids.push(
      ...await httpClient(server).mutation(mutation("bank:open"), {
        first: first + opened,
        count: OPENED_AT_ONCE,
        balance: START_BALANCE,
      }),
    );
  }
  await Deno.writeTextFile(file, JSON.stringify(ids));
}

/** Runs a load program to its end and returns the JSON that it printed. */
export async function runLoad<Result>(program: string, load: unknown): Promise<Result> {
  const output = await loadCommand(program, load, "null").output();
  if (!output.success) throw new Error(new TextDecoder().decode(output.stderr));
  const result = JSON.parse(new TextDecoder().decode(output.stdout));
  if (result.failures > 0) {
    throw new Error(`${result.failures} calls failed, the first: ${result.firstFailure}`);
  }
  return result;
}

/** Starts a load program that goes on until it is disposed of; waits for a line that it prints. */
export async function startLoad(
  program: string,
  load: unknown,
  ready: RegExp,
): Promise<AsyncDisposable> {
  const child = loadCommand(program, load, "piped").spawn();
  const output = new ChildOutput(child);
  await output.waitFor(ready, LOAD_READY_TIMEOUT_MS);
  return {
    async [Symbol.asyncDispose]() {
      await child.stdin.close();
      await child.status;
      await output.closed;
    },
  };
}

const LOAD_READY_TIMEOUT_MS = 120_000;

function loadCommand(program: string, load: unknown, stdin: "piped" | "null"): Deno.Command {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", fromRepository(`bench/${program}`), JSON.stringify(load)],
    env: { DENO_NO_UPDATE_CHECK: "1", NO_COLOR: "1" },
    stdin,
    stdout: "piped",
    stderr: "piped",
  });
}

/** The middle one. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}
