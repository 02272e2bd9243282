// The time and random seed that module-level code sees. They belong to the deployment and change
// only with the version of the npm package, so that unchanged modules keep evaluating alike
// (spec deploy 7, function-runtime 4).

import { randomBytes } from "node:crypto";
import { Buffer } from "node:buffer";
import { isDeepStrictEqual } from "node:util";
import type { Transaction } from "../engine/transaction.ts";
import type { ComponentId } from "../engine/types.ts";
import { encodeValue } from "../engine/values/json.ts";
import type { Json, JsonObject } from "../engine/values/value.ts";
import type { NodeSettings, UdfConfig } from "../runtime/frames.ts";

const SEED_BYTES = 32;
const NANOS_PER_MILLI = 1_000_000n;

/** The configuration of a component's running code, null before its first push. */
export function readUdfConfig(tx: Transaction, component: ComponentId): UdfConfig | null {
  const row = tx.table("udfConfig").first("by_component", [component]);
  return row === null ? null : {
    serverVersion: String(row.serverVersion),
    importPhaseRngSeed: String(row.importPhaseRngSeed),
    importPhaseUnixTimestamp: Number(row.importPhaseUnixTimestamp),
    ...row.node !== undefined && { node: row.node as unknown as NodeSettings },
  };
}

/** The configuration for a push with `serverVersion`. */
export function nextUdfConfig(
  current: UdfConfig | null,
  serverVersion: string,
  nowMs: number,
): UdfConfig {
  if (current?.serverVersion === serverVersion) return current;
  return {
    serverVersion,
    importPhaseRngSeed: Buffer.from(randomBytes(SEED_BYTES)).toString("base64"),
    importPhaseUnixTimestamp: Math.floor(nowMs),
  };
}

/** Stores the configuration if it differs. */
export function writeUdfConfig(tx: Transaction, component: ComponentId, config: UdfConfig): void {
  const table = tx.table("udfConfig");
  const row = table.first("by_component", [component]);
  const fields = { component, ...config } as unknown as JsonObject;
  if (row === null) table.insert(fields);
  else if (!isDeepStrictEqual(readUdfConfig(tx, component), config)) {
    table.replace(row._id, fields);
  }
}

/** As the push protocol shows it: seed and time are Convex values. */
export function udfConfigJson(config: UdfConfig): Json {
  const seed = Buffer.from(config.importPhaseRngSeed, "base64");
  return {
    serverVersion: config.serverVersion,
    importPhaseRngSeed: encodeValue(new Uint8Array(seed).buffer),
    importPhaseUnixTimestamp: encodeValue(
      BigInt(config.importPhaseUnixTimestamp) * NANOS_PER_MILLI,
    ),
  };
}
