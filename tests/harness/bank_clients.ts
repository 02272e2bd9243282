// Many clients of the bank, each with its own connection, making one transfer after another.
import { ConvexClient } from "convex/browser";
import { mutation } from "./clients.ts";

export interface BankOptions {
  readonly url: string;
  readonly clients: number;
  readonly accounts: number;
  readonly durationMs: number;
}

export interface BankReport {
  /** Keys of all transfers that were handed to a client. */
  readonly sent: ReadonlySet<string>;
  /** Keys of those that the server acknowledged. */
  readonly acknowledged: readonly string[];
  /** How many were acknowledged on a second or later connection. */
  readonly acknowledgedAfterReconnect: number;
  /** Failures that a client reported; a server that comes back in time causes none. */
  readonly errors: readonly string[];
}

/** Runs until the time is over and every transfer that was begun has its answer. */
export async function runBank(options: BankOptions): Promise<BankReport> {
  const sent = new Set<string>();
  const acknowledged: string[] = [];
  const errors: string[] = [];
  let acknowledgedAfterReconnect = 0;
  const end = Date.now() + options.durationMs;

  const runClient = async (index: number) => {
    const client = new ConvexClient(options.url, { logger: false, unsavedChangesWarning: false });
    try {
      for (let count = 0; Date.now() < end; count++) {
        const key = `${index}-${count}`;
        const from = randomInteger(options.accounts);
        const to = (from + 1 + randomInteger(options.accounts - 1)) % options.accounts;
        sent.add(key);
        try {
          await client.mutation(mutation("bank:transferRecorded"), {
            key,
            from,
            to,
            amount: 1 + randomInteger(9),
          });
          acknowledged.push(key);
          if (client.client.connectionState().connectionCount > 1) acknowledgedAfterReconnect++;
        } catch (error) {
          errors.push(`${key}: ${(error as Error).message}`);
        }
      }
    } finally {
      await client.close();
    }
  };
  await Promise.all(Array.from({ length: options.clients }, (_, index) => runClient(index)));
  return { sent, acknowledged, acknowledgedAfterReconnect, errors };
}

function randomInteger(limit: number): number {
  return Math.floor(Math.random() * limit);
}
