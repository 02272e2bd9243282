// Why a database file could not be opened, in one line for the person who starts the server.

export class DatabaseOpenError extends Error {
  override readonly name = "DatabaseOpenError";
}
