// `GET /`: a page for people who open the deployment's URL in a browser, one line for everybody
// else. It says nothing that a stranger may not know.

const PLAIN_TEXT = "This Convex deployment is running. See https://docs.convex.dev/.";

export interface Status {
  readonly instanceName: string;
  readonly version: string;
  readonly cloudUrl: string;
  readonly siteUrl: string;
}

export function statusResponse(request: Request, status: Status): Response {
  const wantsHtml = request.headers.get("accept")?.includes("text/html") ?? false;
  if (!wantsHtml) return new Response(PLAIN_TEXT);
  return new Response(statusPage(status), {
    headers: { "content-type": "text/html; charset=utf-8", "cache-control": "no-store" },
  });
}

function statusPage({ instanceName, version, cloudUrl, siteUrl }: Status): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(instanceName)} · Concave</title>
<style>
  :root { color-scheme: light dark; --line: light-dark(#dfe3e8, #2f353d); --soft: light-dark(#5d6670, #9aa4af);
          --card: light-dark(#ffffff, #171b20); --page: light-dark(#f5f6f8, #0f1215); --go: #2da44e; }
  body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: var(--page);
         font: 16px/1.5 system-ui, sans-serif; }
  main { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 2rem 2.5rem;
         max-width: 34rem; margin: 1rem; }
  h1 { font-size: 1.35rem; margin: 0 0 .25rem; display: flex; align-items: center; gap: .6rem; }
  h1::before { content: ""; width: .7rem; height: .7rem; border-radius: 50%; background: var(--go); }
  p { color: var(--soft); margin: .25rem 0 1.25rem; }
  dl { display: grid; grid-template-columns: max-content 1fr; gap: .35rem 1rem; margin: 0 0 1.25rem; }
  dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
  pre { background: var(--page); border: 1px solid var(--line); border-radius: 8px; padding: .8rem 1rem;
        margin: 0; overflow-x: auto; font-size: .85rem; }
</style>
</head>
<body>
<main>
<h1>${escape(instanceName)} is running</h1>
<p>A Concave ${escape(version)} deployment. It speaks the protocols of Convex.</p>
<dl>
<dt>API</dt><dd>${escape(cloudUrl)}</dd>
<dt>HTTP actions</dt><dd>${escape(siteUrl)}</dd>
</dl>
<p>To point an app here, put these lines into its <code>.env.local</code> and run <code>npx convex dev</code>:</p>
<pre>CONVEX_SELF_HOSTED_URL=${escape(cloudUrl)}
CONVEX_SELF_HOSTED_ADMIN_KEY=&lt;the key that the server printed&gt;</pre>
</main>
</body>
</html>
`;
}

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}
