// Sets environment variables of a deployment, as the CLI's `env set` does.
import { post } from "./clients.ts";
import type { Server } from "./server.ts";

/** @param values by name; null removes the variable. */
export async function setVariables(
  server: Server,
  values: Readonly<Record<string, string | null>>,
): Promise<void> {
  const changes = Object.entries(values).map(([name, value]) => ({ name, value }));
  const authorization = `Convex ${server.adminKey}`;
  const url = `${server.url}/api/v1/update_environment_variables`;
  const { status, text } = await post(url, { changes }, { authorization });
  if (status !== 200) throw new Error(`the variables were refused (${status}): ${text}`);
}
