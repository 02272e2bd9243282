// The data directory: the database, the instance secret and the instance name, for the owner only.

import { InstanceSecret } from "./instance_secret.ts";

const DIRECTORY_MODE = 0o700;
const NAME_FILE = "instance_name";
const DEFAULT_INSTANCE_NAME = "concave";

/** A directory that cannot be used; the message is one line for the user. */
export class DataDirectoryError extends Error {
  override readonly name = "DataDirectoryError";
}

export interface DataDirectory {
  readonly databasePath: string;
  /** Bytes of stored files. */
  readonly filesPath: string;
  readonly secret: InstanceSecret;
  readonly instanceName: string;
  /** Nothing was there before. */
  readonly isNew: boolean;
}

/**
 * Opens the directory, or creates it with a new secret.
 * @param instanceName replaces the name that is stored; null keeps it.
 * @throws DataDirectoryError
 */
export function openDataDirectory(path: string, instanceName: string | null): DataDirectory {
  return explained(path, () => {
    Deno.mkdirSync(path, { recursive: true, mode: DIRECTORY_MODE });
    const isNew = InstanceSecret.read(path) === null;
    const secret = InstanceSecret.readOrCreate(path);
    if (instanceName !== null) Deno.writeTextFileSync(`${path}/${NAME_FILE}`, instanceName + "\n");
    // Isolates get permission for the file by its real path.
    return describe(Deno.realPathSync(path), secret, isNew);
  });
}

/**
 * Looks into a directory that a server has used before.
 * @throws DataDirectoryError
 */
export function readDataDirectory(path: string): DataDirectory {
  return explained(path, () => {
    const secret = InstanceSecret.read(path);
    if (secret === null) {
      throw new DataDirectoryError(`${path} holds no deployment: start the server there first`);
    }
    return describe(path, secret, false);
  });
}

function describe(path: string, secret: InstanceSecret, isNew: boolean): DataDirectory {
  const databasePath = `${path}/db.sqlite`;
  const filesPath = `${path}/files`;
  return { databasePath, filesPath, secret, instanceName: readName(path), isNew };
}

function readName(path: string): string {
  try {
    return Deno.readTextFileSync(`${path}/${NAME_FILE}`).trim();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return DEFAULT_INSTANCE_NAME;
    throw error;
  }
}

function explained<T>(path: string, body: () => T): T {
  try {
    return body();
  } catch (error) {
    if (error instanceof DataDirectoryError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new DataDirectoryError(`cannot use the data directory ${path}: ${reason}`);
  }
}
