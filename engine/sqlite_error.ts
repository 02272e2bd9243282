// Tells what SQLite itself refused from an assertion or a bad value of ours.

export function isSqliteError(error: unknown): error is Error {
  return error instanceof Error && (error as { code?: unknown }).code === "ERR_SQLITE_ERROR";
}
