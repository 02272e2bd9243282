// For tests: an S3-compatible server in this process, with an empty bucket. It is s3rver from npm,
// which checks who signs a request but not the signature itself: that is left to aws4fetch.

import S3rver from "s3rver";
import type { S3Options } from "../s3_blob_store.ts";

interface S3Server {
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
  const { port } = await server.run();
  return {
    options: {
      endpoint: `http://127.0.0.1:${port}`,
      bucket: "files",
      region: "us-east-1",
      accessKeyId: "S3RVER",
      secretAccessKey: "S3RVER",
      prefix: "deployment/",
    },
    async [Symbol.asyncDispose]() {
      await server.close();
      await Deno.remove(directory, { recursive: true });
    },
  };
}
