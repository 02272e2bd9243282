// The log of function executions, as the CLI's `logs` reads it.
import type { Server } from "./server.ts";

export interface LogEntry {
  readonly kind: string;
  readonly identifier: string;
  readonly requestId: string;
  readonly executionId: string;
  /** Of completions. */
  readonly parentExecutionId?: string | null;
  readonly error: string | null;
  readonly logLines: readonly {
    readonly messages: readonly string[];
    readonly level: string;
    readonly udfPath?: string;
    readonly systemMetadata?: { readonly code: string } | null;
  }[];
  readonly [field: string]: unknown;
}

/** Everything that is kept, oldest first. */
export async function logEntries(server: Server): Promise<LogEntry[]> {
  const response = await fetch(`${server.url}/api/stream_function_logs?cursor=0`, {
    headers: { authorization: `Convex ${server.adminKey}`, "convex-client": "npm-cli-1.48.0" },
  });
  return (await response.json()).entries;
}
