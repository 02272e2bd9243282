import { DataLock } from "./data_lock.ts";

const ACQUISITIONS = 20_000;

Deno.test("a released lock can be had again at once, though other threads start processes", async () => {
  const directory = await Deno.makeTempDir();
  const workers = [1, 2].map(() =>
    new Worker(new URL("./testing/process_starter.ts", import.meta.url), { type: "module" })
  );
  try {
    await Promise.all(
      workers.map((worker) => new Promise((resolve) => worker.onmessage = resolve)),
    );
    for (let i = 0; i < ACQUISITIONS; i++) DataLock.acquire(`${directory}/db.sqlite`).release();
  } finally {
    for (const worker of workers) worker.terminate();
    await Deno.remove(directory, { recursive: true });
  }
});
