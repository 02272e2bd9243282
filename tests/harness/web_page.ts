// The page of an app: its modules bundled into one script by `deno bundle`, and served with its HTML.
import { freePort, fromRepository } from "./server.ts";

export interface PageFile {
  readonly type: string;
  readonly body: string | Uint8Array<ArrayBuffer>;
}

/** A page that loads `/main.js` and finds these texts as `meta` elements in its head. */
export function pageHtml(meta: Readonly<Record<string, string>>): PageFile {
  const elements = Object.entries(meta).map(([name, text]) =>
    `<meta name="${name}" content="${text}" />`
  );
  const body = `<!doctype html>
<meta charset="utf-8" />
${elements.join("\n")}
<link rel="icon" href="data:," />
<div id="root"></div>
<script type="module" src="/main.js"></script>`;
  return { type: "text/html; charset=utf-8", body };
}

/**
 * The module `entry` and all that it imports as one script. The path is one from `directory`, whose
 * packages it uses.
 */
export async function bundlePage(
  entry: string,
  directory = fromRepository(""),
): Promise<PageFile> {
  const output = await new Deno.Command(Deno.execPath(), {
    args: ["bundle", "--quiet", "--platform=browser", "--minify", entry],
    cwd: directory,
    env: { DENO_NO_UPDATE_CHECK: "1" },
    stdin: "null",
  }).output();
  if (!output.success) throw new Error(new TextDecoder().decode(output.stderr));
  return { type: "text/javascript", body: output.stdout };
}

/** Serves the files by their paths; on another port if `port` is taken. */
export function servePage(
  files: Readonly<Record<string, PageFile>>,
  port: number = freePort(),
): Deno.HttpServer<Deno.NetAddr> {
  const handler = (request: Request): Response => {
    const file = files[new URL(request.url).pathname];
    if (file === undefined) return new Response("Not found", { status: 404 });
    return new Response(file.body, { headers: { "content-type": file.type } });
  };
  const serve = (port: number) =>
    Deno.serve({ hostname: "127.0.0.1", port, onListen: () => {} }, handler);
  try {
    return serve(port);
  } catch (error) {
    if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    return serve(freePort());
  }
}
