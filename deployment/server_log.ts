// The server's own log on standard error: one line an event, for people or as JSON. Fields are
// chosen by the callers, who never pass keys, tokens, variables or arguments.

export type LogFormat = "human" | "json";
export type Severity = "info" | "warn" | "error";
export type LogFields = Readonly<Record<string, string | number | boolean | null>>;

export class ServerLog {
  constructor(
    private readonly format: LogFormat,
    private readonly write: (line: string) => void = (line) => console.error(line),
    private readonly now: () => number = Date.now,
  ) {}

  info(message: string, fields: LogFields = {}): void {
    this.#log("info", message, fields);
  }

  warn(message: string, fields: LogFields = {}): void {
    this.#log("warn", message, fields);
  }

  error(message: string, fields: LogFields = {}): void {
    this.#log("error", message, fields);
  }

  /** An error that the program did not expect, with its stack and its causes. */
  fault(message: string, error: unknown, fields: LogFields = {}): void {
    this.#log("error", message, { ...fields, error: detailOf(error) });
  }

  #log(severity: Severity, message: string, fields: LogFields): void {
    const time = new Date(this.now()).toISOString();
    if (this.format === "json") {
      return this.write(JSON.stringify({ time, severity, message, ...fields }));
    }
    const details = Object.entries(fields).map(([key, value]) => ` ${key}=${value}`).join("");
    this.write(`${time} ${severity.padEnd(5)} ${message}${details}`);
  }
}

function detailOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const detail = error.stack ?? error.message;
  return error.cause === undefined ? detail : `${detail}\ncaused by ${detailOf(error.cause)}`;
}
