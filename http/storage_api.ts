// Routes of file storage: uploads with a signed URL, downloads by an unguessable one (spec http-api 11).

import type { Deployment } from "../deployment/deployment.ts";
import { checkContentType, parseDigest } from "../deployment/files/file_headers.ts";
import { PlatformError, userError } from "../engine/errors.ts";
import { parseFileUuid, type StoredFile } from "../runtime/stored_files.ts";
import { parseRange } from "./byte_range.ts";
import { jsonResponse, requireParameter } from "./errors.ts";
import { readAhead } from "./read_ahead.ts";
import { requestBytes } from "./request_bytes.ts";
import type { RequestContext, Routes } from "./routes.ts";

export const UPLOAD_PATH = "/api/storage/upload";
const DOWNLOAD_PATH = "/api/storage/:file";
const CACHE_CONTROL = "private, max-age=2592000";

export function addStorageRoutes(routes: Routes, deployment: Deployment): void {
  routes.add("POST", UPLOAD_PATH, (context) => upload(context, deployment));
  routes.add("GET", DOWNLOAD_PATH, (context) => download(context, deployment));
}

async function upload(context: RequestContext, deployment: Deployment): Promise<Response> {
  const request = context.req.raw;
  const token = requireParameter(context.req.query("token"), "token");
  const component = deployment.verifyUploadToken(token);
  const contentType = request.headers.get("content-type");
  const digest = request.headers.get("digest");
  const bytes = request.headers.has("content-length") || request.body === null
    ? requestBytes(request.body)
    : readAhead(request.body);
  const storageId = await deployment.files.store(bytes, {
    component,
    contentType: contentType === null ? null : checkContentType(contentType),
    sha256: digest === null ? null : parseDigest(digest),
  });
  return jsonResponse({ storageId });
}

async function download(context: RequestContext, deployment: Deployment): Promise<Response> {
  const text = context.req.param("file") ?? "";
  const uuid = parseFileUuid(text);
  if (uuid === null) {
    throw userError(
      "InvalidStoragePath",
      `Invalid storage path: "${text}". Please use \`storage.getUrl(storageId: Id<"_storage">)\` ` +
        "to generate a valid URL to retrieve files. See https://docs.convex.dev/file-storage for " +
        "more details",
    );
  }
  const file = await deployment.findFile(context.req.query("component") ?? "", uuid);
  if (file === null) throw notFound(uuid);
  const range = parseRange(context.req.header("range") ?? null, file.size);
  if (range === "unsatisfiable") {
    const headers = { "content-range": `bytes */${file.size}`, "accept-ranges": "bytes" };
    return new Response(null, { status: 416, headers });
  }
  const part = range === "all" ? { start: 0, end: file.size } : range;
  const headers = fileHeaders(file, part.end - part.start);
  if (range === "all") headers.set("digest", `sha-256=${file.sha256}`);
  else headers.set("content-range", `bytes ${part.start}-${part.end - 1}/${file.size}`);
  const status = range === "all" ? 200 : 206;
  if (context.env.isHead) return new Response(null, { status, headers });
  const bytes = await deployment.files.read(file, part);
  if (bytes === null) throw notFound(uuid);
  return new Response(bytes as BodyInit, { status, headers });
}

function fileHeaders(file: StoredFile, length: number): Headers {
  const headers = new Headers({
    "content-length": String(length),
    "cache-control": CACHE_CONTROL,
    "accept-ranges": "bytes",
  });
  if (file.contentType !== null) headers.set("content-type", file.contentType);
  return headers;
}

function notFound(uuid: string): PlatformError {
  return new PlatformError("notFound", "FileNotFound", `File ${uuid} not found`);
}
