// The single document about the deployment as a whole: running or paused, and its canonical URLs.

import { userError } from "../engine/errors.ts";
import type { Transaction } from "../engine/transaction.ts";
import { type AuditOrigin, recordAudit } from "./audit_log.ts";

export interface DeploymentState {
  readonly state: "running" | "paused";
  readonly convexCloudUrl?: string | undefined;
  readonly convexSiteUrl?: string | undefined;
}

/** The state; a deployment that was never touched is running. */
export function readState(tx: Transaction): DeploymentState {
  const row = tx.table("deployment").all()[0];
  if (row === undefined) return { state: "running" };
  return {
    state: row.state === "paused" ? "paused" : "running",
    convexCloudUrl: typeof row.convexCloudUrl === "string" ? row.convexCloudUrl : undefined,
    convexSiteUrl: typeof row.convexSiteUrl === "string" ? row.convexSiteUrl : undefined,
  };
}

/** Changes some fields of the state; `undefined` removes one. */
export function writeState(tx: Transaction, fields: Partial<DeploymentState>): void {
  const table = tx.table("deployment");
  const row = table.all()[0];
  if (row !== undefined) return table.patch(row._id, { ...fields });
  const kept = Object.entries(fields).filter((entry): entry is [string, string] =>
    entry[1] !== undefined
  );
  table.insert({ state: "running", ...Object.fromEntries(kept) });
}

/** Pauses the deployment; pausing twice is fine. */
export function pause(tx: Transaction, origin: AuditOrigin): void {
  if (readState(tx).state === "paused") return;
  writeState(tx, { state: "paused" });
  recordAudit(tx, { action: "pause_deployment", metadata: {} }, origin);
}

/** @throws PlatformError `UnpauseDeploymentFailed` when the deployment runs */
export function unpause(tx: Transaction, origin: AuditOrigin): void {
  if (readState(tx).state !== "paused") {
    throw userError("UnpauseDeploymentFailed", "Deployment is not currently paused.");
  }
  writeState(tx, { state: "running" });
  recordAudit(tx, { action: "unpause_deployment", metadata: {} }, origin);
}

/**
 * For what only a running deployment does besides functions.
 * @throws PlatformError `BackendIsNotRunning`
 */
export function requireRunning(tx: Transaction): void {
  if (readState(tx).state !== "paused") return;
  throw userError(
    "BackendIsNotRunning",
    "Cannot perform this operation when the backend is not running",
  );
}
