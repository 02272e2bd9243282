// Servers on which an app is already pushed. The first test of a run that asks for an app pushes it
// with the official CLI; its data directory is then copied, so every test gets a server of its own
// for the price of a start.
import { App } from "./app.ts";
import { Server, type ServerOptions } from "./server.ts";

const TEMPLATES_PREFIX = "concave-templates-";

/** A server with the app in `source` (a directory of this repository) pushed to it. */
export async function serverWithApp(
  source: string,
  options: Omit<ServerOptions, "dataDir"> = {},
): Promise<Server> {
  const template = await templateFor(source);
  const dataDir = await Deno.makeTempDir({ prefix: "concave-data-" });
  await copyFiles(template, dataDir);
  return await Server.start({ ...options, dataDir, removeDataDir: true });
}

/** The data directory with the app pushed; made once in a run of the tests. */
async function templateFor(source: string): Promise<string> {
  // Test files run in parallel as workers of one process: its id names the run.
  const temporary = await temporaryDirectory();
  const root = `${temporary}/${TEMPLATES_PREFIX}${Deno.pid}`;
  if (!await exists(root)) await removeTemplatesOfEndedRuns(temporary);
  await Deno.mkdir(root, { recursive: true });
  const template = `${root}/${source.replaceAll("/", "-")}`;
  using lock = await Deno.open(`${template}.lock`, { create: true, write: true });
  await lock.lock(true);
  if (!await exists(`${template}/pushed`)) {
    await Deno.mkdir(template, { recursive: true });
    await using app = await App.copy(source);
    await using server = await Server.start({ dataDir: template });
    await app.push(server);
    const code = await server.stop();
    if (code !== 0) throw new Error(`the server ended with ${code} after a push of ${source}`);
    await Deno.writeTextFile(`${template}/pushed`, "");
  }
  return template;
}

async function removeTemplatesOfEndedRuns(temporary: string): Promise<void> {
  for await (const entry of Deno.readDir(temporary)) {
    if (!entry.name.startsWith(TEMPLATES_PREFIX)) continue;
    const pid = entry.name.slice(TEMPLATES_PREFIX.length);
    if (await exists(`/proc/${pid}`)) continue;
    await Deno.remove(`${temporary}/${entry.name}`, { recursive: true }).catch(() => {});
  }
}

async function temporaryDirectory(): Promise<string> {
  const probe = await Deno.makeTempDir();
  await Deno.remove(probe);
  return probe.slice(0, probe.lastIndexOf("/"));
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

async function copyFiles(from: string, to: string): Promise<void> {
  for await (const entry of Deno.readDir(from)) {
    if (entry.isDirectory) {
      await Deno.mkdir(`${to}/${entry.name}`);
      await copyFiles(`${from}/${entry.name}`, `${to}/${entry.name}`);
    } else if (entry.isSymlink) {
      await Deno.symlink(await Deno.readLink(`${from}/${entry.name}`), `${to}/${entry.name}`);
    } else {
      await Deno.copyFile(`${from}/${entry.name}`, `${to}/${entry.name}`);
    }
  }
}
