// A process of its own that sends HTTP requests as fast as the answers come, over raw keep-alive
// sockets: the load must cost as little of the machine as possible.
import { zipf } from "./zipf.ts";

export interface HttpLoad {
  readonly port: number;
  readonly clients: number;
  readonly warmupMs: number;
  readonly durationMs: number;
  readonly request:
    | { readonly type: "transfer"; readonly alpha: number }
    /** `distinct`: every call has arguments that no call had before. */
    | { readonly type: "query"; readonly distinct: boolean }
    /** A function, with an argument `nonce` that no call had before. */
    | {
      readonly type: "call";
      readonly kind: "query" | "mutation" | "action";
      readonly path: string;
      readonly args: Readonly<Record<string, unknown>>;
    }
    /** The same small request to any path. */
    | { readonly type: "post"; readonly path: string };
  /** A JSON file with the ids of the accounts; without it accounts are numbers. */
  readonly accountsFile?: string;
}

export interface HttpLoadResult {
  readonly perSecond: number;
  readonly failures: number;
  readonly firstFailure: string | null;
  readonly latencyMs: { readonly p50: number; readonly p99: number };
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("latin1");
const READ_BYTES = 64 * 1024;
const ACCOUNTS_WITHOUT_FILE = 10_000;

if (import.meta.main) {
  const load: HttpLoad = JSON.parse(Deno.args[0]!);
  console.log(JSON.stringify(await run(load)));
}

async function run(load: HttpLoad): Promise<HttpLoadResult> {
  const accounts: readonly (string | number)[] = load.accountsFile === undefined
    ? Array.from({ length: ACCOUNTS_WITHOUT_FILE }, (_, i) => i)
    : JSON.parse(await Deno.readTextFile(load.accountsFile));
  const nextBody = bodies(load, accounts);
  const path = pathOf(load.request);
  const start = performance.now() + load.warmupMs;
  const end = start + load.durationMs;
  let [counted, failures] = [0, 0];
  let firstFailure: string | null = null;
  const latenciesMs: number[] = [];

  const client = async () => {
    using connection = await Deno.connect({ hostname: "127.0.0.1", port: load.port });
    connection.setNoDelay(true);
    const buffer = new Uint8Array(READ_BYTES);
    for (;;) {
      const body = nextBody();
      const sentAt = performance.now();
      if (sentAt >= end) return;
      await connection.write(encoder.encode(
        `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n` +
          `content-length: ${body.length}\r\n\r\n${body}`,
      ));
      const response = await readResponse(connection, buffer);
      const now = performance.now();
      if (!response.includes('"status":"success"')) {
        failures++;
        firstFailure ??= response;
      } else if (now >= start && now < end) {
        counted++;
        latenciesMs.push(now - sentAt);
      }
    }
  };
  await Promise.all(Array.from({ length: load.clients }, client));
  latenciesMs.sort((a, b) => a - b);
  const at = (share: number) => latenciesMs[Math.floor(latenciesMs.length * share)] ?? 0;
  return {
    perSecond: counted / (load.durationMs / 1000),
    failures,
    firstFailure,
    latencyMs: { p50: at(0.5), p99: at(0.99) },
  };
}

function pathOf(request: HttpLoad["request"]): string {
  if (request.type === "post") return request.path;
  if (request.type === "call") return `/api/${request.kind}`;
  return request.type === "transfer" ? "/api/mutation" : "/api/query";
}

function bodies(load: HttpLoad, accounts: readonly (string | number)[]): () => string {
  const request = load.request;
  if (request.type === "query") {
    let nonce = 0;
    return () =>
      JSON.stringify({
        path: "bank:balanceAt",
        args: {
          account: accounts[request.distinct ? nonce % accounts.length : 0],
          nonce: request.distinct ? nonce++ : 0,
        },
      });
  }
  if (request.type === "post") return () => "{}";
  if (request.type === "call") {
    const { path, args } = request;
    let nonce = 0;
    return () => JSON.stringify({ path, args: { ...args, nonce: nonce++ } });
  }
  const draw = zipf(accounts.length, request.alpha);
  return () => {
    const from = draw();
    let to = draw();
    if (to === from) to = (from + 1) % accounts.length;
    return JSON.stringify({
      path: "bank:transfer",
      args: { from: accounts[from], to: accounts[to], amount: 1 },
    });
  };
}

/** One response with a content-length or in chunks, as text. */
async function readResponse(connection: Deno.Conn, buffer: Uint8Array): Promise<string> {
  let text = "";
  for (;;) {
    const count = await connection.read(buffer);
    if (count === null) throw new Error(`the server closed the connection after: ${text}`);
    text += decoder.decode(buffer.subarray(0, count));
    const head = text.indexOf("\r\n\r\n");
    if (head === -1) continue;
    const length = /\r\ncontent-length: (\d+)/i.exec(text);
    if (
      length !== null ? text.length >= head + 4 + Number(length[1]) : text.endsWith("0\r\n\r\n")
    ) {
      return text;
    }
  }
}
