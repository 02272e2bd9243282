import assert from "node:assert/strict";
import { Engine } from "../engine/engine.ts";
import { DatabaseOpenError } from "../engine/open_error.ts";
import { checkData } from "./data_check.ts";
import { LocalBlobStore } from "./files/local_blob_store.ts";

async function problemsOf(directory: string): Promise<string[]> {
  const blobs = LocalBlobStore.forReading(`${directory}/files`);
  return await Array.fromAsync(checkData({ databasePath: `${directory}/db.sqlite` }, blobs));
}

Deno.test("the check of a data directory looks for the bytes of stored files", async () => {
  const directory = await Deno.makeTempDir({ prefix: "concave-check-" });
  const engine = await Engine.open({
    path: `${directory}/db.sqlite`,
    cursorKey: new Uint8Array(32),
  });
  const blobKey = "0123456789abcdef".repeat(2);
  const { value: id } = await engine.transact((tx) =>
    tx.table("fileStorage").insert({
      storageId: "a",
      blobKey,
      size: 3,
      sha256: "",
      contentType: null,
    })
  );
  await assert.rejects(problemsOf(directory), DatabaseOpenError);
  await engine.close();
  assert.deepEqual(await problemsOf(directory), [
    `The bytes of the stored file ${id} are not there.`,
  ]);
  const blobs = await LocalBlobStore.open(`${directory}/files`);
  await blobs.write(blobKey, ReadableStream.from([new Uint8Array(3)]));
  assert.deepEqual(await problemsOf(directory), []);
  await Deno.remove(directory, { recursive: true });
});
