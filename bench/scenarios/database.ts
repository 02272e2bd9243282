// The database alone, without HTTP and isolates: reads against the bare SQLite calls that they are
// made of and at three sizes of a table, inserts, the backfill of an index while writes go on, and
// the size of the file.
import { DocumentStore, MESSAGES_PER_CHANNEL } from "../document_store.ts";
import { median } from "../environment.ts";
import type { Row } from "../report.ts";

const SMALL = 1000;
const MEDIUM = 100_000;
const LARGE = 1_000_000;

const ROUNDS = 15;
const READS_PER_ROUND = 300;
/** Paced, so that what is measured is the wait for one commit and not for those before it. */
const WRITE_INTERVAL_MS = 4;
const QUIET_WRITING_MS = 8000;
const BACKFILL_P99_RATIO_MAX = 3;
const TAKE_RATIO_MAX = 1.3;

export async function database(): Promise<Row[]> {
  await using store = await DocumentStore.open();
  await store.fill("small", SMALL);
  const insertingMs = await timed(() => store.fill("medium", MEDIUM));
  const ids = await store.fill("large", LARGE);
  return [
    { name: "insert_100k", value: MEDIUM / insertingMs * 1000, unit: "documents/s" },
    ...reads(store, ids),
    ...takes(store),
    await fileSize(store, ids),
    ...await backfill(store, ids),
  ];
}

function reads(store: DocumentStore, ids: readonly string[]): Row[] {
  using bare = store.bareScan("medium");
  const channels = MEDIUM / MESSAGES_PER_CHANNEL;
  const [get, scan, bareScan] = interleaved([
    (n) => store.get(ids[n * 7919 % ids.length]!),
    (n) => store.channel("medium", n * 37 % channels, MESSAGES_PER_CHANNEL),
    (n) => bare.read(n * 37 % channels),
  ]);
  return [
    { name: "point_get", value: get!, unit: "µs" },
    {
      name: "scan_100",
      value: scan!,
      unit: "µs",
      ratio: scan! / bareScan!,
      comparedWith: "bare SQLite",
    },
  ];
}

function takes(store: DocumentStore): Row[] {
  const tables = [["small", "1k"], ["medium", "100k"], ["large", "1m"]] as const;
  const times = interleaved(tables.map(([table]) => () => store.newest(table, 10)));
  return tables.map(([, size], i) => {
    const row = { name: `take_10_of_${size}`, value: times[i]!, unit: "µs" };
    if (i === 0) return row;
    return {
      ...row,
      ratio: times[i]! / times[0]!,
      floor: TAKE_RATIO_MAX,
      bound: "at most",
      comparedWith: "of 1k",
    };
  });
}

/** Each document is in three indexes. */
async function fileSize(store: DocumentStore, ids: readonly string[]): Promise<Row> {
  const documents = SMALL + MEDIUM + LARGE;
  const sample = ids.slice(0, 1000).map((id) => store.get(id)!.length);
  const jsonBytes = sample.reduce((sum, length) => sum + length, 0) / sample.length;
  const bytes = await store.fileBytes() / documents;
  return {
    name: "file_size_per_document",
    value: bytes,
    unit: "bytes",
    ratio: bytes / jsonBytes,
    comparedWith: "its JSON",
  };
}

async function backfill(store: DocumentStore, ids: readonly string[]): Promise<Row[]> {
  const writing = (until: Promise<unknown>) => commitTimes(store, ids, until);
  const quiet = p99(
    await writing(new Promise((resolve) => setTimeout(resolve, QUIET_WRITING_MS))),
  );
  let ms = 0;
  const building = timed(() => store.addIndex("large", "by_likes", "likes")).then((t) => ms = t);
  const busy = p99(await writing(building));
  return [
    { name: "backfill_1m", value: LARGE / ms * 1000, unit: "documents/s" },
    { name: "commit_p99", value: quiet, unit: "ms" },
    {
      name: "commit_p99_during_backfill",
      value: busy,
      unit: "ms",
      ratio: busy / quiet,
      floor: BACKFILL_P99_RATIO_MAX,
      bound: "at most",
      comparedWith: "without",
    },
  ];
}

/** How long each of the commits took that were begun at fixed times until `until`. */
async function commitTimes(
  store: DocumentStore,
  ids: readonly string[],
  until: Promise<unknown>,
): Promise<number[]> {
  let isOver = false;
  until.finally(() => isOver = true);
  const times: number[] = [];
  const running: Promise<unknown>[] = [];
  for (let n = 0; !isOver; n++) {
    const id = ids[n * 7919 % ids.length]!;
    const write = () => store.engine.transact((tx) => tx.database("").patch(id, { likes: n }));
    running.push(timed(write).then((ms) => times.push(ms)));
    await new Promise((resolve) => setTimeout(resolve, WRITE_INTERVAL_MS));
  }
  await Promise.all(running);
  return times;
}

/** Microseconds of one call of each body; all are run in turns, so that all meet the same machine. */
function interleaved(bodies: readonly ((n: number) => unknown)[]): number[] {
  const times = bodies.map((): number[] => []);
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [i, body] of bodies.entries()) {
      const startedAt = performance.now();
      for (let n = 0; n < READS_PER_ROUND; n++) body(round * READS_PER_ROUND + n);
      const us = (performance.now() - startedAt) * 1000 / READS_PER_ROUND;
      // The first round warms up.
      if (round > 0) times[i]!.push(us);
    }
  }
  return times.map(median);
}

async function timed(body: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await body();
  return performance.now() - startedAt;
}

function p99(times: readonly number[]): number {
  return times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.99)]!;
}
