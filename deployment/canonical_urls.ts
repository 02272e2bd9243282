// The origins under which clients reach the deployment: configured at start, overridable at run
// time. Functions see them as `CONVEX_CLOUD_URL` and `CONVEX_SITE_URL` (spec http-api 8.2).

import type { Transaction } from "../engine/transaction.ts";
import { readState, writeState } from "./deployment_state.ts";

/** Variables that the server provides to functions. */
export interface SystemVariables {
  readonly CONVEX_CLOUD_URL: string;
  readonly CONVEX_SITE_URL: string;
}

export type RequestDestination = "convexCloud" | "convexSite";

/** The system variables: overrides where there are some, else the configured origins. */
export function systemVariables(tx: Transaction, origins: SystemVariables): SystemVariables {
  const { convexCloudUrl, convexSiteUrl } = readState(tx);
  return {
    CONVEX_CLOUD_URL: convexCloudUrl ?? origins.CONVEX_CLOUD_URL,
    CONVEX_SITE_URL: convexSiteUrl ?? origins.CONVEX_SITE_URL,
  };
}

/** Overrides one origin, or with null returns to the configured one. */
export function writeCanonicalUrl(
  tx: Transaction,
  destination: RequestDestination,
  url: string | null,
): void {
  const origin = url === null ? undefined : url.replace(/\/+$/, "");
  writeState(
    tx,
    destination === "convexCloud" ? { convexCloudUrl: origin } : { convexSiteUrl: origin },
  );
}
