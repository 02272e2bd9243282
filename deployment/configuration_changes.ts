// Changes of environment variables and canonical URLs. Each re-evaluates the stored auth config in
// an isolate before it is committed, so changes happen one at a time, pushes included: none can
// slip between the evaluation of another and its commit (spec deploy 8, http-api 8.1).

import { ROOT_COMPONENT } from "../engine/components.ts";
import type { Engine } from "../engine/engine.ts";
import type { Transaction } from "../engine/transaction.ts";
import type { Analyzer } from "../runtime/analysis.ts";
import type { PreparedModule } from "../runtime/frames.ts";
import { type AuditOrigin, recordAudit } from "./audit_log.ts";
import type { AuthProvider } from "./auth_config.ts";
import {
  AUTH_CONFIG_MODULE,
  reevaluateAuthConfig,
  replaceAuthProviders,
} from "./auth_evaluation.ts";
import {
  type RequestDestination,
  type SystemVariables,
  systemVariables,
  writeCanonicalUrl,
} from "./canonical_urls.ts";
import {
  applyChanges,
  checkChanges,
  checkDeclaredVariables,
  type EnvironmentChange,
  readEnvironment,
  writeEnvironment,
} from "./environment.ts";
import { storedModule } from "./stored_modules.ts";

export class ConfigurationChanges {
  #last: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly engine: Engine,
    private readonly analyzer: Analyzer,
    private readonly origins: SystemVariables,
  ) {}

  /** Runs `change` after all changes that began before it. */
  exclusively<T>(change: () => Promise<T>): Promise<T> {
    const result = this.#last.then(change);
    this.#last = result.catch(() => {});
    return result;
  }

  /** @throws PlatformError with the codes of spec services 5 and 4.1 */
  async updateEnvironment(
    changes: readonly EnvironmentChange[],
    origin: AuditOrigin,
  ): Promise<void> {
    await this.exclusively(async () => {
      const { value } = this.engine.read((tx) => {
        const environment = readEnvironment(tx);
        checkChanges(environment, changes);
        checkDeclaredVariables(tx, changes);
        return {
          variables: {
            ...systemVariables(tx, this.origins),
            ...applyChanges(environment, changes),
          },
          authModule: storedModule(tx, ROOT_COMPONENT, AUTH_CONFIG_MODULE),
        };
      });
      const providers = await this.#providers(value.authModule, value.variables);
      await this.#commit(providers, "update_environment_variables", (tx) => {
        for (const { name, change } of writeEnvironment(tx, changes)) {
          const entry = {
            action: `${change}_environment_variable`,
            metadata: { variable_name: name },
          };
          recordAudit(tx, entry, origin);
        }
      });
    });
  }

  /**
   * Evaluates the auth config for the addresses that this start of the server was given: apps whose
   * tokens the deployment issues itself name it as their issuer.
   * @throws PlatformError when the auth config does not allow them
   */
  async applyOrigins(): Promise<void> {
    await this.exclusively(async () => {
      const { value } = this.engine.read((tx) => ({
        variables: { ...systemVariables(tx, this.origins), ...readEnvironment(tx) },
        authModule: storedModule(tx, ROOT_COMPONENT, AUTH_CONFIG_MODULE),
      }));
      const providers = await this.#providers(value.authModule, value.variables);
      await this.#commit(providers, "apply_origins", () => {});
    });
  }

  /** @throws PlatformError when the auth config does not allow it */
  async updateCanonicalUrl(
    destination: RequestDestination,
    url: string | null,
    origin: AuditOrigin,
  ): Promise<void> {
    await this.exclusively(async () => {
      const { value } = this.engine.read((tx) => {
        const system = systemVariables(tx, this.origins);
        const name = destination === "convexCloud" ? "CONVEX_CLOUD_URL" : "CONVEX_SITE_URL";
        return {
          variables: { ...system, [name]: url ?? this.origins[name], ...readEnvironment(tx) },
          authModule: storedModule(tx, ROOT_COMPONENT, AUTH_CONFIG_MODULE),
        };
      });
      const providers = await this.#providers(value.authModule, value.variables);
      await this.#commit(providers, "update_canonical_url", (tx) => {
        writeCanonicalUrl(tx, destination, url);
        const metadata = { request_destination: destination };
        const entry = url === null
          ? { action: "delete_canonical_url", metadata }
          : { action: "update_canonical_url", metadata: { ...metadata, url } };
        recordAudit(tx, entry, origin);
      });
    });
  }

  /** The providers in a changed environment; null when the app has no auth config. */
  async #providers(
    authModule: PreparedModule | null,
    variables: Readonly<Record<string, string>>,
  ): Promise<readonly AuthProvider[] | null> {
    if (authModule === null) return null;
    return await reevaluateAuthConfig(this.analyzer, authModule, variables);
  }

  async #commit(
    providers: readonly AuthProvider[] | null,
    source: string,
    write: (tx: Transaction) => void,
  ): Promise<void> {
    await this.engine.transact((tx) => {
      write(tx);
      if (providers !== null) replaceAuthProviders(tx, providers);
    }, source);
  }
}
