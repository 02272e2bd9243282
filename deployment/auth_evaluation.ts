// Evaluates `auth.config.ts` and stores the providers that it lists. The same evaluation happens at
// a push and whenever an environment variable or a canonical URL changes (spec deploy 8).

import { PlatformError, userError } from "../engine/errors.ts";
import type { Transaction } from "../engine/transaction.ts";
import { canonicalJson } from "../engine/values/json.ts";
import type { Json } from "../engine/values/value.ts";
import type { Analyzer } from "../runtime/analysis.ts";
import type { PreparedModule } from "../runtime/frames.ts";
import { type AuthProvider, parseAuthConfig } from "./auth_config.ts";

export const AUTH_CONFIG_MODULE = "auth.config.js";

export interface AuthDiff {
  /** JSON texts of providers. */
  readonly added: string[];
  readonly removed: string[];
}

/**
 * The providers of the pushed auth config.
 * @throws PlatformError `AuthConfigMissingEnvironmentVariable`, `InvalidAuthConfig`
 */
export function evaluateAuthConfig(
  analyzer: Analyzer,
  module: PreparedModule,
  environment: Readonly<Record<string, string>>,
): Promise<AuthProvider[]> {
  return evaluate("The pushed auth config is invalid", analyzer, module, environment);
}

/**
 * The providers of the running auth config in a changed environment.
 * @throws PlatformError `AuthConfigMissingEnvironmentVariable`, `InvalidAuthConfig`
 */
export function reevaluateAuthConfig(
  analyzer: Analyzer,
  module: PreparedModule,
  environment: Readonly<Record<string, string>>,
): Promise<AuthProvider[]> {
  return evaluate(
    "This change would make the auth config invalid",
    analyzer,
    module,
    environment,
  );
}

async function evaluate(
  prefix: string,
  analyzer: Analyzer,
  module: PreparedModule,
  environment: Readonly<Record<string, string>>,
): Promise<AuthProvider[]> {
  try {
    return parseAuthConfig(await analyzer.evaluateAuthConfig(module, environment));
  } catch (error) {
    if (!(error instanceof PlatformError) || error.kind === "internal") throw error;
    if (error.code === "AuthConfigMissingEnvironmentVariable") throw error;
    throw userError("InvalidAuthConfig", `${prefix}: ${error.message}`);
  }
}

/** The providers of the running code. */
export function readAuthProviders(tx: Transaction): AuthProvider[] {
  return tx.table("authProviders").all().map((row) => row.provider as unknown as AuthProvider);
}

/** Makes `providers` those of the running code. */
export function replaceAuthProviders(
  tx: Transaction,
  providers: readonly AuthProvider[],
): AuthDiff {
  const table = tx.table("authProviders");
  const existing = new Map(
    table.all().map((row) => [canonicalJson(row.provider as Json), row._id]),
  );
  const diff: AuthDiff = { added: [], removed: [] };
  for (const provider of providers) {
    const json = provider as unknown as Json;
    const text = canonicalJson(json);
    if (existing.delete(text) || diff.added.includes(text)) continue;
    table.insert({ provider: json });
    diff.added.push(text);
  }
  for (const [text, id] of existing) {
    table.remove(id);
    diff.removed.push(text);
  }
  return diff;
}
