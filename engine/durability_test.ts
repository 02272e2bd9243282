import assert from "node:assert/strict";
import { Durability } from "./durability.ts";

function heldFile() {
  const waiting: { resolve: () => void; reject: (error: Error) => void }[] = [];
  return {
    waiting,
    closed: false,
    syncData() {
      return new Promise<void>((resolve, reject) => waiting.push({ resolve, reject }));
    },
    close() {
      this.closed = true;
    },
  };
}

const turn = () => new Promise((resolve) => setTimeout(resolve, 0));

Deno.test("requests made during a flush share the next one", async () => {
  const file = heldFile();
  const durability = new Durability(file);
  const done: string[] = [];
  durability.flush().then(() => done.push("a"));
  await turn();
  durability.flush().then(() => done.push("b"));
  durability.flush().then(() => done.push("c"));
  await turn();
  assert.equal(file.waiting.length, 1);
  file.waiting[0]!.resolve();
  await turn();
  assert.deepEqual(done, ["a"]);
  assert.equal(file.waiting.length, 2);
  file.waiting[1]!.resolve();
  await turn();
  assert.deepEqual(done, ["a", "b", "c"]);
  await durability.close();
  assert.ok(file.closed);
});

Deno.test("after a failed flush nothing is called durable any more", async () => {
  const file = heldFile();
  const durability = new Durability(file);
  const first = durability.flush();
  await turn();
  const second = durability.flush();
  file.waiting[0]!.reject(new Error("EIO"));
  await assert.rejects(first, /EIO/);
  await assert.rejects(second, /EIO/);
  await assert.rejects(durability.flush(), /EIO/);
  await durability.close();
});
