import assert from "node:assert/strict";
import { parseCommandLine, type StartConfig, UsageError } from "./config.ts";

function start(args: string[], environment: Record<string, string> = {}): StartConfig {
  const config = parseCommandLine(["start", ...args], environment, 4);
  assert.equal(config.command, "start");
  return config as StartConfig;
}

Deno.test("start without flags listens on the platform's ports of this machine", () => {
  assert.deepEqual(start([]), {
    command: "start",
    host: "127.0.0.1",
    port: 3210,
    sitePort: 3211,
    dataDir: "./data",
    url: null,
    siteUrl: null,
    instanceName: null,
    isolates: 3,
    limitsFile: null,
    trustedProxies: "loopback,private",
    s3: null,
    logFormat: "human",
    redactErrors: false,
    outbound: { denied: [], ipv4Only: false },
    node: null,
    nativeAddons: false,
    scheduledFunctions: null,
  });
});

Deno.test("variables set what flags do not", () => {
  const environment = { CONCAVE_PORT: "4000", CONCAVE_SITE_PORT: "4001", CONCAVE_REDACT_LOGS: "1" };
  const config = start(["--port", "5000", "--url=https://api.example.com/"], environment);
  assert.equal(config.port, 5000);
  assert.equal(config.sitePort, 4001);
  assert.equal(config.url, "https://api.example.com");
  assert.equal(config.redactErrors, true);
  assert.equal(start(["--redact-errors"]).redactErrors, true);
});

Deno.test("mistakes are one line that names the flag or the variable", () => {
  const cases: [string[], Record<string, string>, RegExp][] = [
    [["start", "--port", "x"], {}, /^--port must be a port number, not "x"$/],
    [["start", "--port", "65536"], {}, /^--port must be a port number/],
    [["start"], { CONCAVE_ISOLATES: "0" }, /^CONCAVE_ISOLATES must be a positive number, not "0"$/],
    [["start", "--isolates", "65"], {}, /^--isolates must be at most 64/],
    [["start", "--url", "example.com"], {}, /^--url must be an http:\/\/ or https:\/\/ URL/],
    [["start", "--log-format", "xml"], {}, /^--log-format must be human or json, not "xml"$/],
    [["start", "--instance-name", "a|b"], {}, /^--instance-name may contain/],
    [["start", "--port", "3211"], {}, /^--port and --site-port must differ$/],
    [["start", "--deny-net", "10.0.0.0/99"], {}, /^--deny-net must be a list of hosts/],
    [["start", "--frobnicate"], {}, /^Unknown option '--frobnicate'/],
    [["start", "extra"], {}, /^Unexpected argument 'extra'/],
    [["admin-key", "--port", "1"], {}, /^Unknown option '--port'/],
    [["restart"], {}, /^unknown command restart/],
    [[], {}, /^a command is missing/],
  ];
  for (const [args, environment, message] of cases) {
    assert.throws(() => parseCommandLine(args, environment, 2), (error: Error) => {
      assert.ok(error instanceof UsageError, String(error));
      assert.match(error.message, message);
      assert.ok(!error.message.includes("\n"));
      return true;
    });
  }
});

Deno.test("a bucket needs an address and credentials", () => {
  const flags = ["--s3-bucket", "files", "--s3-endpoint", "http://127.0.0.1:9000/"];
  const environment = {
    CONCAVE_S3_ACCESS_KEY_ID: "id",
    CONCAVE_S3_SECRET_ACCESS_KEY: "secret",
  };
  assert.deepEqual(start([...flags, "--s3-prefix", "a/"], environment).s3, {
    bucket: "files",
    endpoint: "http://127.0.0.1:9000",
    region: "us-east-1",
    prefix: "a/",
    accessKeyId: "id",
    secretAccessKey: "secret",
  });
  assert.throws(() => start(flags), /CONCAVE_S3_ACCESS_KEY_ID/);
  assert.throws(() => start(flags.slice(0, 2), environment), /needs --s3-endpoint/);
});
