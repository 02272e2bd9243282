// The `Range` header (RFC 9110 14.2).

import type { ByteRange } from "../deployment/files/blob_store.ts";

/**
 * What part of a file a request asks for. "all": no range, or one that must be ignored;
 * "unsatisfiable": several parts, or one that the file does not have.
 */
export function parseRange(
  header: string | null,
  size: number,
): ByteRange | "all" | "unsatisfiable" {
  const match = /^\s*bytes\s*=(.*)$/i.exec(header ?? "");
  if (match === null) return "all";
  const parts = match[1]!.split(",").map((part) => part.trim()).filter((part) => part !== "");
  const ranges = parts.map((part) => /^(\d*)\s*-\s*(\d*)$/.exec(part));
  if (ranges.some((range) => range === null || range[1] === "" && range[2] === "")) return "all";
  if (ranges.length !== 1) return "unsatisfiable";
  const [, first = "", last = ""] = ranges[0]!;
  if (first === "") {
    const suffix = Math.min(Number(last), size);
    if (size === 0) return "all";
    return suffix === 0 ? "unsatisfiable" : { start: size - suffix, end: size };
  }
  const start = Number(first);
  if (last !== "" && Number(last) < start) return "all";
  if (size === 0 && start === 0) return "all";
  if (start >= size) return "unsatisfiable";
  const end = last === "" ? size : Math.min(Number(last) + 1, size);
  return { start, end };
}
