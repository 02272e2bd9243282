// Both back ends keep the same contract.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { BlobStore } from "./blob_store.ts";
import { LocalBlobStore } from "./local_blob_store.ts";
import { S3BlobStore } from "./s3_blob_store.ts";
import { startS3Server } from "./testing/s3_server.ts";

const MEBIBYTE = 1024 * 1024;
const key = (digit: number) => String(digit).repeat(32);

async function* chunks(count: number, size: number, failAt = Infinity) {
  for (let i = 0; i < count; i++) {
    await Promise.resolve();
    if (i === failAt) throw new Error("the sender left");
    yield new Uint8Array(size).fill(i + 1);
  }
}

async function collect(store: BlobStore, name: string, start: number, end: number) {
  const stream = await store.read(name, { start, end });
  return stream === null ? null : Buffer.from(await new Response(stream as BodyInit).bytes());
}

async function listed(store: BlobStore): Promise<string[]> {
  const keys: string[] = [];
  for await (const name of store.list()) keys.push(name);
  return keys.sort();
}

async function checkContract(store: BlobStore): Promise<void> {
  await store.write(key(1), chunks(3, 1000));
  await store.write(key(2), chunks(0, 0));
  // Several parts for S3, and a last one that is short.
  await store.write(key(3), chunks(35, MEBIBYTE / 2));
  assert.deepEqual(await listed(store), [key(1), key(2), key(3)]);

  const whole = Buffer.concat(await Array.fromAsync(chunks(3, 1000)));
  assert.deepEqual(await collect(store, key(1), 0, 3000), whole);
  assert.deepEqual(await collect(store, key(1), 999, 1001), whole.subarray(999, 1001));
  assert.deepEqual(await collect(store, key(2), 0, 0), Buffer.alloc(0));
  const large = await collect(store, key(3), 0, 17.5 * MEBIBYTE);
  const expected = Buffer.concat(await Array.fromAsync(chunks(35, MEBIBYTE / 2)));
  assert.equal(Buffer.compare(large!, expected), 0);
  const stream = await store.read(key(3), { start: 5, end: 10 * MEBIBYTE });
  await stream!.cancel();

  for (const size of [1000, 4 * MEBIBYTE]) {
    await assert.rejects(store.write(key(4), chunks(9, size, 7)), /the sender left/);
  }
  assert.equal(await collect(store, key(4), 0, 1), null);
  assert.equal(await collect(store, key(4), 0, 0), null);

  await store.remove(key(1));
  await store.remove(key(1));
  assert.equal(await collect(store, key(1), 0, 1), null);
  assert.deepEqual(await listed(store), [key(2), key(3)]);
}

Deno.test("a local directory keeps blobs, and forgets interrupted uploads", async () => {
  const directory = await Deno.makeTempDir();
  await checkContract(await LocalBlobStore.open(directory));
  await Deno.writeTextFile(`${directory}/incoming/${key(5)}`, "half");
  const again = await LocalBlobStore.open(directory);
  assert.deepEqual(await listed(again), [key(2), key(3)]);
  assert.deepEqual([...Deno.readDirSync(`${directory}/incoming`)], []);
  await Deno.remove(directory, { recursive: true });
});

Deno.test({
  name: "an S3-compatible service keeps blobs",
  // s3rver leaves sockets and timers behind.
  sanitizeOps: false,
  sanitizeResources: false,
  async fn() {
    await using server = await startS3Server();
    const { options } = server;
    await checkContract(new S3BlobStore(options));
    assert.deepEqual(await listed(new S3BlobStore({ ...options, prefix: "other/" })), []);
    const unknown = new S3BlobStore({ ...options, accessKeyId: "unknown" });
    await assert.rejects(unknown.write(key(6), chunks(1, 10)), /S3 could not write: 403/);
    const forger = new S3BlobStore({ ...options, secretAccessKey: "guessed" });
    await assert.rejects(
      forger.write(key(6), chunks(1, 10)),
      /S3 could not write: 403 .*the signature does not match/,
    );
  },
});
