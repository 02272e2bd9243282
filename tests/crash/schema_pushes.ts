// Pushes that change only the indexes of a large table, sent as the CLI sends them but without its
// bundling, which would take longer than all that matters here.

import { post } from "../harness/clients.ts";
import type { Server } from "../harness/server.ts";
import schema from "../apps/pairs/convex/schema.ts";

/** Index fields of the table `bulk`; each push takes other ones than the last. */
const VARIANTS: readonly (readonly string[])[] = [["n"], ["text", "n"], ["n", "text"]];
const WAIT_MS = 30_000;

/** The answer to `start_push`. */
export interface StartedPush {
  readonly schemaChange: { readonly schemaIds: Readonly<Record<string, string | null>> };
}

/** The server answered, but not as it should. */
export class PushError extends Error {}

interface ModuleHash {
  readonly path: string;
  readonly environment: string;
  readonly hash: string;
}

export class SchemaPushes {
  #variant = 0;

  constructor(readonly server: Server) {}

  /** Starts a push that drops the index and adds another one. */
  async start(): Promise<StartedPush> {
    const { moduleHashes } = await this.#post("/api/get_config_hashes", {});
    this.#variant = (this.#variant + 1) % VARIANTS.length;
    return await this.#post("/api/deploy2/start_push", {
      dryRun: false,
      appDefinition: {
        dependencies: [],
        udfServerVersion: "1.48.0",
        schema: {
          path: "schema.js",
          environment: "isolate",
          source: `export default { export: () => ${JSON.stringify(this.#schemaText())} };`,
        },
        changedModules: [],
        unchangedModuleHashes: (moduleHashes as ModuleHash[])
          .filter(({ path }) => path !== "schema.js")
          .map(({ path, environment, hash }) => ({ path, environment, sha256: hash })),
      },
      componentDefinitions: [],
    });
  }

  /** Waits for the backfill. @throws PushError when it does not come to an end */
  async wait({ schemaChange }: StartedPush): Promise<void> {
    const status = await this.#post("/api/deploy2/wait_for_schema", {
      schemaChange,
      timeoutMs: WAIT_MS,
    });
    if (status.type !== "complete") {
      throw new PushError(`the push did not get ready: ${JSON.stringify(status)}`);
    }
  }

  async finish(startPush: StartedPush): Promise<void> {
    await this.#post("/api/deploy2/finish_push", { startPush, dryRun: false });
  }

  #schemaText(): string {
    const definition = JSON.parse((schema as unknown as { export(): string }).export());
    for (const table of definition.tables) {
      if (table.tableName !== "bulk") continue;
      table.indexes = [{ indexDescriptor: "by_variant", fields: VARIANTS[this.#variant] }];
    }
    return JSON.stringify(definition);
  }

  // deno-lint-ignore no-explicit-any -- answers of several shapes
  async #post(path: string, body: object): Promise<any> {
    const { adminKey, url } = this.server;
    const { status, json, text } = await post(url + path, { adminKey, ...body }, {
      authorization: `Convex ${adminKey}`,
    });
    if (status !== 200) throw new PushError(`${path} answered ${status}: ${text}`);
    return json;
  }
}
