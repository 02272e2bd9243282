// For tests: checks the signature of a request to S3 (AWS Signature Version 4 in the header), written
// from the specification and apart from the client that signs, so that the two check each other.

import type { Buffer } from "node:buffer";
import { createHash, createHmac } from "node:crypto";

export interface SignedRequest {
  readonly method: string;
  /** Path and query as sent. */
  readonly target: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** Null: not known, so `x-amz-content-sha256` is taken as it is. */
  readonly body: Uint8Array | null;
}

/** Null if the request is signed with the key; else what is wrong with it. */
export function signatureProblem(
  { method, target, headers, body }: SignedRequest,
  secretAccessKey: string,
): string | null {
  const parts =
    /^AWS4-HMAC-SHA256 Credential=[^/]+\/(\d{8})\/([^/]+)\/s3\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/
      .exec(headers["authorization"] ?? "");
  if (parts === null) return "there is no signature";
  const [, day = "", region = "", names = "", signature = ""] = parts;
  const payload = headers["x-amz-content-sha256"] ?? "";
  if (body !== null && payload !== "UNSIGNED-PAYLOAD" && payload !== sha256(body)) {
    return "the body is not the one that was signed";
  }
  for (const name of ["host", "x-amz-date"]) {
    if (!names.split(";").includes(name)) return `the header ${name} is not signed`;
  }
  const [path = "", query = ""] = target.split("?");
  const canonical = [
    method,
    path,
    query.split("&").filter((pair) => pair !== "")
      .map((pair) => pair.includes("=") ? pair : `${pair}=`).sort().join("&"),
    ...names.split(";").map((name) =>
      `${name}:${(headers[name] ?? "").trim().replace(/ +/g, " ")}`
    ),
    "",
    names,
    payload,
  ].join("\n");
  const date = headers["x-amz-date"] ?? "";
  const scope = `${day}/${region}/s3/aws4_request`;
  const text = ["AWS4-HMAC-SHA256", date, scope, sha256(canonical)].join("\n");
  let key = hmac(`AWS4${secretAccessKey}`, day);
  for (const part of [region, "s3", "aws4_request"]) key = hmac(key, part);
  return hmac(key, text).toString("hex") === signature ? null : "the signature does not match";
}

function sha256(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}

function hmac(key: Buffer | string, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}
