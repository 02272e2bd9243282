// What the app of component packages notes about its background tasks (its `convex/tasks.ts`).
import type { LiveClient } from "../harness/clients.ts";

const WAIT_MS_MAX = 60_000;

export interface History {
  readonly attempts: number;
  /** For each attempt, how many others ran when it began. */
  readonly alongside: readonly number[];
  /** What callbacks were told. */
  readonly outcomes: readonly unknown[];
}

/** Waits for a task's history to be as wanted. */
export async function historyUntil(
  client: LiveClient,
  task: string,
  condition: (history: History) => boolean,
): Promise<History> {
  const watched = client.watch("tasks:history", { task });
  try {
    return await watched.until((now) => condition(now as History), WAIT_MS_MAX) as History;
  } finally {
    watched.stop();
  }
}

/** Waits until callbacks were told that many outcomes of a task. */
export async function outcomesOf(
  client: LiveClient,
  task: string,
  count: number,
): Promise<History> {
  return await historyUntil(client, task, ({ outcomes }) => outcomes.length >= count);
}
