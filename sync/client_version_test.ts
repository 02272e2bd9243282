import assert from "node:assert/strict";
import {
  type ClientVersion,
  deprecationOf,
  parseClientHeader,
  requireSupported,
  socketClientVersion,
  understandsChunks,
} from "./client_version.ts";

const npm = (version: string): ClientVersion => ({ client: "npm", version });

Deno.test("the longest suffix that is a semantic version is the version", () => {
  const cases = [
    ["npm-1.48.0", "npm", "1.48.0"],
    ["NPM-cli-1.48.0", "npm-cli", "1.48.0"],
    ["npm-1.28.0-alpha.1", "npm", "1.28.0-alpha.1"],
    ["streaming-import-0.1.0+b-1", "streaming-import", "0.1.0+b-1"],
    ["unknown-unknownversion", "unknown", "unknownversion"],
  ] as const;
  for (const [header, client, version] of cases) {
    assert.deepEqual(parseClientHeader(header), { client, version });
  }
  assert.throws(() => parseClientHeader("npm"), {
    code: "InvalidClientVersion",
    message: /^Failed to parse client version string: 'npm'\./,
  });
});

Deno.test("a WebSocket says its version in the header, or else in the path", () => {
  assert.deepEqual(socketClientVersion("python-0.7.0", null), {
    client: "python",
    version: "0.7.0",
  });
  assert.deepEqual(socketClientVersion("rust-0.9.0", "1.0.0"), {
    client: "rust",
    version: "0.9.0",
  });
  assert.deepEqual(socketClientVersion(null, "1.48.0"), npm("1.48.0"));
  assert.deepEqual(socketClientVersion(null, null), { client: "unknown", version: null });
  assert.throws(() => socketClientVersion(null, "latest"), { code: "InvalidClientVersion" });
});

Deno.test("old clients are refused or warned", () => {
  for (
    const old of [npm("0.19.1"), npm("0.19.1-rc.1"), npm("x"), parseClientHeader("rust-0.0.1")]
  ) {
    assert.throws(() => requireSupported(old), { code: "ClientVersionUnsupported" });
    assert.equal(deprecationOf(old)?.state, "Unsupported");
  }
  assert.match(
    deprecationOf(npm("0.19.1"))!.message,
    /^The Convex npm package at version 0\.19\.1 is no longer supported\. /,
  );
  assert.equal(deprecationOf(parseClientHeader("python-0.2.0"))?.state, "UpgradeRequired");
  for (const good of [npm("0.19.2"), npm("1.48.0"), parseClientHeader("unknown-x")]) {
    requireSupported(good);
    assert.equal(deprecationOf(good), null);
  }
});

Deno.test("only npm clients from 1.28.0 on understand chunks", () => {
  for (
    const [version, expected] of [["1.28.0", true], ["1.48.0", true], ["2.0.0", true]] as const
  ) {
    assert.equal(understandsChunks(npm(version)), expected);
  }
  for (const version of ["1.28.0-alpha.1", "1.27.9", "x"]) {
    assert.equal(understandsChunks(npm(version)), false);
  }
  assert.equal(understandsChunks({ client: "npm-cli", version: "1.48.0" }), false);
  assert.equal(understandsChunks({ client: "unknown", version: null }), false);
});
