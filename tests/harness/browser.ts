// Headless Chromium from the system's package, driven by playwright-core.
import { type Browser, chromium } from "playwright-core";

/** Without these, Chromium tries to reach Google's servers at every start. */
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Where Chromium is; `CONCAVE_CHROMIUM` wins over the usual places. */
function executablePath(): string {
  const candidates = [
    Deno.env.get("CONCAVE_CHROMIUM"),
    "/usr/bin/chromium",
    "/usr/bin/chromium-browser",
    "/usr/bin/google-chrome",
  ];
  for (const path of candidates) {
    if (path === undefined) continue;
    try {
      if (Deno.statSync(path).isFile) return path;
    } catch { /* not there */ }
  }
  throw new Error("no Chromium found: install the package chromium, or set CONCAVE_CHROMIUM");
}

export async function launchBrowser(): Promise<Browser> {
  return await chromium.launch({ executablePath: executablePath(), headless: true, args: FLAGS });
}
