// `deno task demo`: a server on a temporary data directory, the chat pushed to it with the official
// CLI, and its page served at one URL. Ctrl-C stops and removes everything.
import { App } from "../tests/harness/app.ts";
import { freePort, fromRepository, Server } from "../tests/harness/server.ts";

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
    const script = await bundlePage();
    const page = started.use(servePage(server.url, script, options.pagePort));
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

/** The page's modules and React as one script, by `deno bundle`. */
async function bundlePage(): Promise<Uint8Array<ArrayBuffer>> {
  const output = await new Deno.Command(Deno.execPath(), {
    args: ["bundle", "--quiet", "--platform=browser", "--minify", "examples/chat/web/main.tsx"],
    cwd: fromRepository(""),
    env: { DENO_NO_UPDATE_CHECK: "1" },
    stdin: "null",
  }).output();
  if (!output.success) throw new Error(new TextDecoder().decode(output.stderr));
  return output.stdout;
}

function servePage(
  deploymentUrl: string,
  script: Uint8Array<ArrayBuffer>,
  port?: number,
): Deno.HttpServer<Deno.NetAddr> {
  const file = (name: string) => Deno.readTextFile(fromRepository(`examples/chat/web/${name}`));
  const handler = async (request: Request): Promise<Response> => {
    switch (new URL(request.url).pathname) {
      case "/": {
        const html = (await file("index.html")).replace("%CONVEX_URL%", deploymentUrl);
        return new Response(html, { headers: { "content-type": "text/html; charset=utf-8" } });
      }
      case "/main.js":
        return new Response(script, { headers: { "content-type": "text/javascript" } });
      case "/style.css":
        return new Response(await file("style.css"), { headers: { "content-type": "text/css" } });
      default:
        return new Response("Not found", { status: 404 });
    }
  };
  const serve = (port: number) =>
    Deno.serve({ hostname: "127.0.0.1", port, onListen: () => {} }, handler);
  try {
    return serve(port ?? freePort());
  } catch (error) {
    if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    return serve(freePort());
  }
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
