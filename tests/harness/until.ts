// Waiting for what a server does in its own time. The bound is generous: it ends tests that would
// never end, and says nothing about speed.
import assert from "node:assert/strict";

const TIMEOUT_MS = 60_000;
const PAUSE_MS = 20;

/** @throws AssertionError when the condition does not come true */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + TIMEOUT_MS; !await condition();) {
    assert.ok(Date.now() < deadline, "the condition does not come true");
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}
