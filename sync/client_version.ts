// Who connects: the `Convex-Client` header or the version in the WebSocket path, and whether that
// client is still supported (http-api 4, sync protocol 1).

import { PlatformError } from "../engine/errors.ts";

export interface ClientVersion {
  /** Lowercase: `npm`, `npm-cli`, `python`, …; "unknown" if the client did not say. */
  readonly client: string;
  /** The semantic version as written; null if the client did not say. */
  readonly version: string | null;
}

/** What the response headers `x-convex-deprecation-*` say; null: nothing. */
export interface Deprecation {
  readonly state: "Unsupported" | "UpgradeRequired";
  readonly message: string;
}

type Release = readonly [major: number, minor: number, patch: number];

/** The last release of each client that is refused. */
const UNSUPPORTED_UP_TO: Readonly<Record<string, Release>> = {
  npm: [0, 19, 1],
  "npm-cli": [0, 19, 1],
  actions: [0, 19, 1],
  python: [0, 0, 2],
  rust: [0, 0, 1],
};
const UPGRADE_REQUIRED_UP_TO: Readonly<Record<string, Release>> = { python: [0, 2, 0] };
/** Releases from which on a client reads clean JSON by default (http-api 6.3). */
const CLEAN_VALUES_SINCE: Readonly<Record<string, Release>> = {
  npm: [1, 4, 1],
  "npm-cli": [1, 4, 1],
  actions: [1, 4, 1],
  python: [0, 5, 0],
};
const TRANSITION_CHUNK_SINCE: Release = [1, 28, 0];

const SEMVER =
  /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?(\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?$/;

export const UNKNOWN_CLIENT: ClientVersion = { client: "unknown", version: null };

/**
 * The client of a WebSocket: the header if present, else the version in the path.
 * @throws PlatformError `InvalidClientVersion`
 */
export function socketClientVersion(
  header: string | null,
  pathVersion: string | null,
): ClientVersion {
  if (header !== null) return parseClientHeader(header);
  if (pathVersion === null) return UNKNOWN_CLIENT;
  if (!SEMVER.test(pathVersion)) throw invalid(pathVersion);
  return { client: "npm", version: pathVersion };
}

/**
 * Reads `{client}-{semver}`: the longest suffix that is a semantic version is the version.
 * @throws PlatformError `InvalidClientVersion` when there is no `-`.
 */
export function parseClientHeader(header: string): ClientVersion {
  let dash = header.indexOf("-");
  if (dash === -1) throw invalid(header);
  for (; dash !== -1; dash = header.indexOf("-", dash + 1)) {
    const version = header.slice(dash + 1);
    if (SEMVER.test(version)) return { client: header.slice(0, dash).toLowerCase(), version };
  }
  const last = header.lastIndexOf("-");
  return { client: header.slice(0, last).toLowerCase(), version: header.slice(last + 1) };
}

/** How far the client is out of date, or null if it is not. */
export function deprecationOf(client: ClientVersion): Deprecation | null {
  const refused = UNSUPPORTED_UP_TO[client.client];
  if (refused !== undefined && isAtMost(client.version, refused)) {
    return {
      state: "Unsupported",
      message: `The Convex ${client.client} package at version ${client.version} is no longer ` +
        `supported. ${upgradeHint(client.client)}`,
    };
  }
  const old = UPGRADE_REQUIRED_UP_TO[client.client];
  if (old !== undefined && isAtMost(client.version, old)) {
    return {
      state: "UpgradeRequired",
      message: `The Convex ${client.client} package at version ${client.version} is deprecated. ` +
        upgradeHint(client.client),
    };
  }
  return null;
}

/**
 * Refuses clients that are too old.
 * @throws PlatformError `ClientVersionUnsupported`
 */
export function requireSupported(client: ClientVersion): void {
  const deprecation = deprecationOf(client);
  if (deprecation?.state !== "Unsupported") return;
  throw new PlatformError("badRequest", "ClientVersionUnsupported", deprecation.message);
}

/** Whether HTTP answers hold encoded values when the client asks for no format. */
export function wantsEncodedValues(client: ClientVersion): boolean {
  const since = CLEAN_VALUES_SINCE[client.client];
  if (since === undefined || client.version === null) return false;
  const order = compareRelease(client.version, since);
  return order !== null && order < 0;
}

/** Python reads `1` as an int, which its HTTP client does not take for a value; JavaScript has no ints. */
export function tellsFloatsByDecimalPoint(client: ClientVersion): boolean {
  return client.client.startsWith("python");
}

/** Only these clients understand TransitionChunk; a pre-release of the first one does not. */
export function understandsChunks(client: ClientVersion): boolean {
  if (client.client !== "npm" || client.version === null) return false;
  const order = compareRelease(client.version, TRANSITION_CHUNK_SINCE);
  return order !== null && order >= 0;
}

function invalid(text: string): PlatformError {
  return new PlatformError(
    "badRequest",
    "InvalidClientVersion",
    `Failed to parse client version string: '${text}'. ` +
      "It must be a client name, a dash and a version, like npm-1.48.0.",
  );
}

function upgradeHint(client: string): string {
  if (client.startsWith("python")) return "Update it with `pip install --upgrade convex`.";
  if (client === "rust") return "Update it with `cargo update -p convex`.";
  return "Update it with `npm install convex@latest`.";
}

/** A version that cannot be read counts as older than everything. */
function isAtMost(version: string | null, release: Release): boolean {
  const order = version === null ? null : compareRelease(version, release);
  return order === null || order <= 0;
}

/** Sign of `version` - `release`; null if `version` is not a semantic version. */
function compareRelease(version: string, release: Release): number | null {
  const match = SEMVER.exec(version);
  if (match === null) return null;
  for (let i = 0; i < 3; i++) {
    const difference = Number(match[i + 1]) - release[i]!;
    if (difference !== 0) return difference;
  }
  return match[4] === undefined ? 0 : -1;
}
