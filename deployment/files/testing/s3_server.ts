// For tests: an S3-compatible server in this process, with an empty bucket. It is s3rver from npm,
// which knows who signs a request but does not check the signature; signature_v4.ts does it first.

import S3rver from "s3rver";
import type { S3Options } from "../s3_blob_store.ts";
import { signatureProblem } from "./signature_v4.ts";

const SECRET = "S3RVER";

interface S3Context {
  readonly method: string;
  readonly req: { readonly url: string; readonly headers: Record<string, string | undefined> };
  status: number;
  body: string;
}

interface S3Server {
  readonly middleware: ((context: S3Context, next: () => Promise<void>) => Promise<void>)[];
  run(): Promise<{ port: number }>;
  close(): Promise<void>;
}

export async function startS3Server(): Promise<{ options: S3Options } & AsyncDisposable> {
  const directory = await Deno.makeTempDir();
  const server: S3Server = new S3rver({
    address: "127.0.0.1",
    port: 0,
    silent: true,
    directory,
    configureBuckets: [{ name: "files" }],
  });
  server.middleware.unshift(async (context, next) => {
    const { method, req: { url, headers } } = context;
    // Bodies are streamed; the client does not sign them.
    const request = { method, target: url, headers, body: null };
    const problem = signatureProblem(request, SECRET);
    if (problem === null) return await next();
    context.status = 403;
    context.body = `<Error><Code>SignatureDoesNotMatch</Code><Message>${problem}</Message></Error>`;
  });
  const { port } = await server.run();
  return {
    options: {
      endpoint: `http://127.0.0.1:${port}`,
      bucket: "files",
      region: "us-east-1",
      accessKeyId: "S3RVER",
      secretAccessKey: SECRET,
      prefix: "deployment/",
    },
    async [Symbol.asyncDispose]() {
      await server.close();
      await Deno.remove(directory, { recursive: true });
    },
  };
}
