// The command line: flags, `CONCAVE_*` variables (flags win) and their checks. A mistake is one
// clear line for the user.

import { parseArgs } from "node:util";
import { z } from "zod";
import { DEFAULT_SCHEDULER_LIMITS } from "../runtime/limits.ts";
import { type OutboundPolicy, parseOutboundPolicy } from "../runtime/outbound_policy.ts";
import type { S3Options } from "./files/s3_blob_store.ts";
import type { LogFormat } from "./server_log.ts";
import { DEFAULT_TRUSTED_PROXIES, TrustedProxies } from "./trusted_proxies.ts";

const DEFAULT_HOST = "127.0.0.1";
const DEFAULT_PORT = 3210;
const DEFAULT_SITE_PORT = 3211;
const DEFAULT_DATA_DIR = "./data";
const ISOLATES_MAX = 64;
const SCHEDULED_FUNCTIONS_MAX = 1000;

export const USAGE = `Usage: main.ts <command> [flags]

Commands:
  start        Start the server.
  admin-key    Print the admin key of a data directory.
  check        Verify a data directory that no server uses. Prints what is wrong, and then ends with
               exit code 1.

Flags of start (each is also a variable, --data-dir is CONCAVE_DATA_DIR; flags win):
  --host HOST            Address to listen on (default ${DEFAULT_HOST}).
  --port PORT            Port of the API (default ${DEFAULT_PORT}).
  --site-port PORT       Port of HTTP actions (default ${DEFAULT_SITE_PORT}).
  --data-dir DIR         Where the data is kept (default ${DEFAULT_DATA_DIR}).
  --url URL              Public origin of the API, behind a proxy.
  --site-url URL         Public origin of HTTP actions, behind a proxy.
  --instance-name NAME   Name of the deployment, kept in the data directory (default concave).
  --isolates N           Processes that run queries and mutations (default: cores - 1, 1 to 8).
  --limits FILE          JSON file with changes to the limits on functions.
  --deny-net LIST        Where actions, and requests to auth providers, may not connect to: hosts,
                         addresses, IPv4 networks, or private for all addresses that are not public
                         (then only IPv4 is used).
  --node PATH            Run "use node" actions under this Node.js instead of Deno. Less is kept from
                         them then: see README.md. Not together with --deny-net.
  --native-addons        Let packages of "use node" actions load native add-ons, which are under no
                         restriction: only for code that you trust.
  --trusted-proxies LIST Peers whose X-Forwarded-* and Forwarded headers count: addresses, networks,
                         loopback, private, all or none (default ${DEFAULT_TRUSTED_PROXIES}).
  --scheduled-functions N
                         Scheduled functions that run at once: wins over the limit
                         scheduledFunctionsRunning (default ${DEFAULT_SCHEDULER_LIMITS.scheduledFunctionsRunning}).
  --s3-bucket NAME       Keep files in this bucket instead of the data directory; then also:
  --s3-endpoint URL      Address of the S3-compatible service.
  --s3-region NAME       Its region (default us-east-1).
  --s3-prefix TEXT       Stands before the keys, to share a bucket (default none).
                         CONCAVE_S3_ACCESS_KEY_ID and CONCAVE_S3_SECRET_ACCESS_KEY: credentials.
  --log-format FORMAT    human (default) or json.
  --redact-errors        Production mode: show clients neither details of errors nor log lines.

Flags of admin-key and check:
  --data-dir DIR         As for start.

Other flags:
  --help                 Print this text.
  --version              Print the version.`;

/** A mistake in the command line; the program ends with exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

export interface StartConfig {
  readonly command: "start";
  readonly host: string;
  readonly port: number;
  readonly sitePort: number;
  readonly dataDir: string;
  /** Public origins; null: derived from host and ports. */
  readonly url: string | null;
  readonly siteUrl: string | null;
  /** Null: the one of the data directory. */
  readonly instanceName: string | null;
  readonly isolates: number;
  /** File with changes to the limits; null: none. */
  readonly limitsFile: string | null;
  readonly trustedProxies: string;
  /** Null: files are kept in the data directory. */
  readonly s3: S3Options | null;
  /** Scheduled functions that run at once; null: what the limits say. */
  readonly scheduledFunctions: number | null;
  readonly logFormat: LogFormat;
  readonly redactErrors: boolean;
  /** Where actions may not connect to. */
  readonly outbound: OutboundPolicy;
  /** Path of the Node.js that runs Node actions; null: Deno does. */
  readonly node: string | null;
  /** Whether packages of Node actions may load native add-ons. */
  readonly nativeAddons: boolean;
}

export interface AdminKeyConfig {
  readonly command: "admin-key";
  readonly dataDir: string;
}

export interface CheckConfig {
  readonly command: "check";
  readonly dataDir: string;
}

export interface TextConfig {
  readonly command: "help" | "version";
}

export type Config = StartConfig | AdminKeyConfig | CheckConfig | TextConfig;

const port = z.string().regex(/^\d{1,5}$/, "must be a port number").transform(Number)
  .refine((value) => value <= 65_535, "must be a port number");
const origin = z.string().refine(isOrigin, "must be an http:// or https:// URL without a path")
  .transform((value) => value.replace(/\/$/, ""));
const dataDir = z.string().min(1, "must not be empty").default(DEFAULT_DATA_DIR);
const flag = z.enum(["true", "false", "1", "0"], { error: "must be true or false" })
  .transform((value) => value === "true" || value === "1");

function positiveNumber(max: number) {
  return z.string().regex(/^[1-9]\d*$/, "must be a positive number").transform(Number)
    .refine((value) => value <= max, `must be at most ${max}`);
}

const startShape = z.object({
  "host": z.string().min(1, "must not be empty").default(DEFAULT_HOST),
  "port": port.default(DEFAULT_PORT),
  "site-port": port.default(DEFAULT_SITE_PORT),
  "data-dir": dataDir,
  "url": origin.optional(),
  "site-url": origin.optional(),
  "instance-name": z.string()
    .regex(/^[A-Za-z0-9_-]+$/, "may contain letters, digits, - and _ only").optional(),
  "limits": z.string().min(1, "must not be empty").optional(),
  "trusted-proxies": z.string().refine(isPeerList, "must be a list of addresses and networks")
    .default(DEFAULT_TRUSTED_PROXIES),
  "isolates": positiveNumber(ISOLATES_MAX).optional(),
  "scheduled-functions": positiveNumber(SCHEDULED_FUNCTIONS_MAX).optional(),
  "s3-bucket": z.string().min(1, "must not be empty").optional(),
  "s3-endpoint": origin.optional(),
  "s3-region": z.string().min(1, "must not be empty").default("us-east-1"),
  "s3-prefix": z.string().regex(/^[\w.\/-]*$/, "may contain letters, digits, _ . - and / only")
    .default(""),
  "log-format": z.enum(["human", "json"], { error: "must be human or json" }).default("human"),
  "redact-errors": flag.default(false),
  // The older name.
  "redact-logs": flag.default(false),
  "node": z.string().min(1, "must not be empty").optional(),
  "native-addons": flag.default(false),
  "deny-net": z.string().default("").refine(
    isOutboundPolicy,
    "must be a list of hosts, addresses and IPv4 networks",
  ).transform(parseOutboundPolicy),
});
const directoryShape = z.object({ "data-dir": dataDir });

/** They take no value on the command line. */
const BOOLEAN_FLAGS: readonly string[] = ["native-addons", "redact-errors", "redact-logs"];

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads the command line.
 * @throws UsageError with one line that says what is wrong
 */
export function parseCommandLine(
  args: readonly string[],
  environment: Environment,
  cores: number,
): Config {
  if (args.includes("--help") || args[0] === "help") return { command: "help" };
  if (args.includes("--version")) return { command: "version" };
  const [command, ...rest] = args;
  switch (command) {
    case "start": {
      const values = readFlags(startShape, rest, environment);
      if (values.port === values["site-port"] && values.port !== 0) {
        throw new UsageError("--port and --site-port must differ");
      }
      if (values.node !== undefined && values["deny-net"].denied.length > 0) {
        throw new UsageError(
          "--deny-net does not go with --node, which cannot keep connections back",
        );
      }
      return {
        command,
        host: values.host,
        port: values.port,
        sitePort: values["site-port"],
        dataDir: values["data-dir"],
        url: values.url ?? null,
        siteUrl: values["site-url"] ?? null,
        instanceName: values["instance-name"] ?? null,
        isolates: values.isolates ?? Math.min(Math.max(cores - 1, 1), 8),
        limitsFile: values.limits ?? null,
        trustedProxies: values["trusted-proxies"],
        s3: s3Options(values, environment),
        scheduledFunctions: values["scheduled-functions"] ?? null,
        logFormat: values["log-format"],
        redactErrors: values["redact-errors"] || values["redact-logs"],
        outbound: values["deny-net"],
        node: values.node ?? null,
        nativeAddons: values["native-addons"],
      };
    }
    case "admin-key":
    case "check":
      return { command, dataDir: readFlags(directoryShape, rest, environment)["data-dir"] };
    case undefined:
      throw new UsageError("a command is missing; see --help");
    default:
      throw new UsageError(`unknown command ${command}; see --help`);
  }
}

function readFlags<Shape extends z.ZodObject>(
  shape: Shape,
  args: readonly string[],
  environment: Environment,
): z.infer<Shape> {
  const names = Object.keys(shape.shape);
  const given = parseFlags(names, args);
  const values: Record<string, string> = {};
  const sources: Record<string, string> = {};
  for (const name of names) {
    const variable = `CONCAVE_${name.toUpperCase().replaceAll("-", "_")}`;
    const value = given[name] ?? environment[variable];
    if (value === undefined) continue;
    values[name] = value;
    sources[name] = given[name] === undefined ? variable : `--${name}`;
  }
  const parsed = shape.safeParse(values);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const name = String(issue!.path[0]);
  throw new UsageError(`${sources[name]} ${issue!.message}, not ${JSON.stringify(values[name])}`);
}

function parseFlags(names: readonly string[], args: readonly string[]): Record<string, string> {
  const isBoolean = (name: string) => BOOLEAN_FLAGS.includes(name);
  const options = Object.fromEntries(
    names.map((name) => [name, { type: isBoolean(name) ? "boolean" : "string" } as const]),
  );
  let values: Record<string, string | boolean | undefined>;
  try {
    ({ values } = parseArgs({ args: [...args], options, strict: true, allowPositionals: false }));
  } catch (error) {
    throw new UsageError(firstSentence((error as Error).message));
  }
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, String(value)]));
}

function firstSentence(text: string): string {
  return text.split(/\.\s|\n/)[0]!;
}

function isOutboundPolicy(list: string): boolean {
  try {
    parseOutboundPolicy(list);
    return true;
  } catch {
    return false;
  }
}

/** @throws UsageError when something is missing that the bucket needs */
function s3Options(
  values: z.infer<typeof startShape>,
  environment: Environment,
): S3Options | null {
  const bucket = values["s3-bucket"];
  if (bucket === undefined) return null;
  const endpoint = values["s3-endpoint"];
  if (endpoint === undefined) throw new UsageError("--s3-bucket needs --s3-endpoint");
  // Not flags: every user of the machine can see those.
  const accessKeyId = environment.CONCAVE_S3_ACCESS_KEY_ID;
  const secretAccessKey = environment.CONCAVE_S3_SECRET_ACCESS_KEY;
  if (!accessKeyId || !secretAccessKey) {
    throw new UsageError(
      "--s3-bucket needs the variables CONCAVE_S3_ACCESS_KEY_ID and CONCAVE_S3_SECRET_ACCESS_KEY",
    );
  }
  const [region, prefix] = [values["s3-region"], values["s3-prefix"]];
  return { bucket, endpoint, region, prefix, accessKeyId, secretAccessKey };
}

function isPeerList(text: string): boolean {
  try {
    new TrustedProxies(text);
    return true;
  } catch {
    return false;
  }
}

function isOrigin(text: string): boolean {
  try {
    const url = new URL(text);
    return (url.protocol === "http:" || url.protocol === "https:") && url.pathname === "/" &&
      url.search === "" && url.hash === "";
  } catch {
    return false;
  }
}
