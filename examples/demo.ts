// `deno task demo`: a server on a temporary data directory, the chat pushed to it with the official
// CLI, and its page served at one URL. Ctrl-C stops and removes everything.
import { App } from "../tests/harness/app.ts";
import { fromRepository, Server } from "../tests/harness/server.ts";
import { bundlePage, servePage } from "../tests/harness/web_page.ts";

const PAGE_PORT = 8000;

export interface Demo extends AsyncDisposable {
  /** Where the page is. */
  readonly url: string;
  readonly server: Server;
}

/** Starts everything. `pagePort` is used when it is free. */
export async function startDemo(
  options: { pagePort?: number; progress?: (text: string) => void } = {},
): Promise<Demo> {
  const progress = options.progress ?? (() => {});
  const started = new AsyncDisposableStack();
  try {
    progress("Starting a server…");
    const server = started.use(await Server.start());
    progress("Pushing examples/chat with the convex CLI…");
    const app = started.use(await App.copy("examples/chat"));
    await app.push(server);
    const page = started.use(await servePageOfChat(server.url, options.pagePort));
    const all = started.move();
    return {
      url: `http://127.0.0.1:${page.addr.port}`,
      server,
      [Symbol.asyncDispose]: () => all.disposeAsync(),
    };
  } catch (error) {
    await started.disposeAsync();
    throw error;
  }
}

async function servePageOfChat(
  deploymentUrl: string,
  port?: number,
): Promise<Deno.HttpServer<Deno.NetAddr>> {
  const file = (name: string) => Deno.readTextFile(fromRepository(`examples/chat/web/${name}`));
  const html = (await file("index.html")).replace("%CONVEX_URL%", deploymentUrl);
  const files = {
    "/": { type: "text/html; charset=utf-8", body: html },
    "/main.js": await bundlePage("examples/chat/web/main.tsx"),
    "/style.css": { type: "text/css", body: await file("style.css") },
  };
  return servePage(files, port);
}

if (import.meta.main) {
  const stopped = Promise.withResolvers<void>();
  Deno.addSignalListener("SIGINT", stopped.resolve);
  Deno.addSignalListener("SIGTERM", stopped.resolve);
  const demo = await startDemo({
    pagePort: PAGE_PORT,
    progress: (text) => console.error(text),
  });
  console.log(`The chat runs at ${demo.url} (open it in two tabs; Ctrl-C stops it)`);
  await stopped.promise;
  await demo[Symbol.asyncDispose]();
  Deno.exit(0);
}
