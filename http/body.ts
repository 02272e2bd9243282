// Request bodies: size limits, content encodings, JSON and its errors (spec http-api 1.3).

import { Buffer } from "node:buffer";
import { promisify } from "node:util";
import { brotliDecompress, gunzip, inflate, type ZlibOptions } from "node:zlib";
import { z } from "zod";
import { userError } from "../engine/errors.ts";
import { readingBody } from "./request_bytes.ts";

/** Calls of functions: arguments of 16 MiB and a little around them. */
export const FUNCTION_BODY_BYTES_MAX = 16 * 1024 * 1024 + 2000;
/** Pushes, also measured after decompression. */
export const DEPLOY_BODY_BYTES_MAX = 200_000_000;
/** Every other JSON body. */
export const BODY_BYTES_MAX = 2 * 1024 * 1024;

type Decoder = (bytes: Uint8Array, options: ZlibOptions) => Promise<Uint8Array>;
const DECODERS: Readonly<Record<string, Decoder>> = {
  br: promisify(brotliDecompress) as Decoder,
  gzip: promisify(gunzip) as Decoder,
  deflate: promisify(inflate) as Decoder,
};

const decoder = new TextDecoder("utf-8", { fatal: true });

/**
 * Parses a JSON body.
 * @throws PlatformError `BadJsonBody`
 */
export async function readJson(request: Request, bytesMax: number): Promise<unknown> {
  const type = request.headers.get("content-type");
  if (type === null || !/^application\/(?:[^;]+\+)?json\s*(?:;|$)/i.test(type)) {
    throw badBody("Expected request with `Content-Type: application/json`");
  }
  const text = await readText(request, bytesMax);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw badBody(`Failed to parse the request body as JSON: ${messageOf(error)}`);
  }
}

/**
 * Parses a JSON body of a certain shape.
 * @throws PlatformError `BadJsonBody`
 */
export async function readShape<Shape extends z.ZodType>(
  request: Request,
  shape: Shape,
  bytesMax: number = BODY_BYTES_MAX,
): Promise<z.infer<Shape>> {
  return checkShape(await readJson(request, bytesMax), shape);
}

/** @throws PlatformError `BadJsonBody` */
export function checkShape<Shape extends z.ZodType>(body: unknown, shape: Shape): z.infer<Shape> {
  const parsed = shape.safeParse(body);
  if (parsed.success) return parsed.data;
  throw badBody(
    `Failed to deserialize the JSON body into the target type: ${z.prettifyError(parsed.error)}`,
  );
}

/**
 * The parameters of the query string in a certain shape.
 * @throws PlatformError `BadQueryArgs`
 */
export function checkQuery<Shape extends z.ZodType>(
  query: Readonly<Record<string, string>>,
  shape: Shape,
): z.infer<Shape> {
  const parsed = shape.safeParse(query);
  if (parsed.success) return parsed.data;
  throw userError(
    "BadQueryArgs",
    `Failed to deserialize query string: ${z.prettifyError(parsed.error)}`,
  );
}

async function readText(request: Request, bytesMax: number): Promise<string> {
  const encoding = request.headers.get("content-encoding");
  const length = request.headers.get("content-length");
  if (length !== null && Number(length) > bytesMax) throw tooLong();
  // A declared length cannot be exceeded on the wire, so the fast way is safe.
  if (length !== null && encoding === null) return await readingBody(request.text());
  const bytes = await readingBody(readBytes(request, bytesMax));
  try {
    return decoder.decode(await decode(bytes, encoding, bytesMax));
  } catch (error) {
    if (isOutputTooLong(error)) throw tooLong();
    throw badBody(`Failed to buffer the request body: ${messageOf(error)}`);
  }
}

async function readBytes(request: Request, bytesMax: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body ?? []) {
    size += chunk.length;
    if (size > bytesMax) throw tooLong();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}

async function decode(
  bytes: Uint8Array,
  encoding: string | null,
  bytesMax: number,
): Promise<Uint8Array> {
  if (encoding === null || encoding === "identity") return bytes;
  const decoder = DECODERS[encoding.toLowerCase()];
  if (decoder === undefined) throw new Error(`unsupported content encoding ${encoding}`);
  return await decoder(bytes, { maxOutputLength: bytesMax });
}

function isOutputTooLong(error: unknown): boolean {
  return error instanceof RangeError && "code" in error && error.code === "ERR_BUFFER_TOO_LARGE";
}

function tooLong(): Error {
  return badBody("Failed to buffer the request body: length limit exceeded");
}

function badBody(message: string): Error {
  return userError("BadJsonBody", message);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
