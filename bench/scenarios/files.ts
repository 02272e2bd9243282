// A file of 1 GB goes up and comes down again: how fast, and how much memory the host takes for it.
import { type IncomingMessage, request } from "node:http";
import { Readable } from "node:stream";
import { json as readJson } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { httpClient, mutation, query } from "../../tests/harness/clients.ts";
import { serverWithApp } from "../../tests/harness/pushed_app.ts";
import type { Server } from "../../tests/harness/server.ts";
import type { Environment } from "../environment.ts";
import type { Row } from "../report.ts";

const MEGABYTE = 1_000_000;
const FILE_BYTES = 1000 * MEGABYTE;
const SAMPLE_INTERVAL_MS = 50;
const GROWTH_MEGABYTES_MAX = 64;

export async function files(_environment: Environment): Promise<Row[]> {
  await using server = await serverWithApp("tests/apps/services");
  const client = httpClient(server);
  await transfer(server, MEGABYTE);
  const before = await server.residentBytes();
  let highest = before;
  const timer = setInterval(async () => {
    highest = Math.max(highest, await server.residentBytes());
  }, SAMPLE_INTERVAL_MS);
  const { storageId, upMs, downMs } = await transfer(server, FILE_BYTES);
  clearInterval(timer);
  await client.mutation(mutation("files:remove"), { storageId });
  const growth = (highest - before) / MEGABYTE;
  return [
    { name: "file_upload", value: FILE_BYTES / MEGABYTE / (upMs / 1000), unit: "MB/s" },
    { name: "file_download", value: FILE_BYTES / MEGABYTE / (downMs / 1000), unit: "MB/s" },
    {
      name: "file_1gb_host_growth",
      value: growth,
      unit: "MB",
      floor: GROWTH_MEGABYTES_MAX,
      bound: "at most",
    },
  ];
}

async function transfer(
  server: Server,
  size: number,
): Promise<{ storageId: string; upMs: number; downMs: number }> {
  const client = httpClient(server);
  const uploadUrl = await client.mutation(mutation("files:uploadUrl"), {});
  const startedAt = performance.now();
  const { storageId } = await upload(uploadUrl, size);
  const storedAt = performance.now();
  const url = await client.query(query("files:url"), { storageId });
  let received = 0;
  for await (const chunk of (await fetch(url)).body!) received += chunk.length;
  if (received !== size) throw new Error(`${received} of ${size} bytes came back`);
  return { storageId, upMs: storedAt - startedAt, downMs: performance.now() - storedAt };
}

/** With a known length, as browsers send files. */
async function upload(url: string, size: number): Promise<{ storageId: string }> {
  const answered = Promise.withResolvers<IncomingMessage>();
  const headers = { "content-length": String(size) };
  const outgoing = request(url, { method: "POST", headers }, answered.resolve);
  await pipeline(Readable.from(zeros(size)), outgoing);
  return await readJson(await answered.promise) as { storageId: string };
}

function* zeros(size: number): Generator<Uint8Array> {
  const chunk = new Uint8Array(MEGABYTE);
  for (let left = size; left > 0; left -= MEGABYTE) yield chunk.subarray(0, left);
}
