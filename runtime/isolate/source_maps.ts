// From a position in the code that runs back to the developer's file: first through the map of the
// CommonJS transform, then through the map that the CLI pushed.

import { originalPositionFor, TraceMap } from "@jridgewell/trace-mapping";

/** The texts that a script's positions are mapped with. */
export interface ScriptMaps {
  /** From the running code to the pushed bundle; null: they are the same text. */
  readonly codeMap: string | null;
  /** From the pushed bundle to the developer's file. */
  readonly sourceMap: string | null;
}

/** Lines count from 1, columns from 0. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

export interface OriginalPosition extends Position {
  /** As written in the source map. */
  readonly source: string;
}

/** Parsed maps that are kept; they are only needed for errors. */
const PARSED_MAPS_MAX = 64;

const scripts = new Map<string, ScriptMaps>();
const parsed = new Map<string, TraceMap | null>();

/** Makes positions in the script with that file name mappable. */
export function registerScript(fileName: string, maps: ScriptMaps): void {
  scripts.set(fileName, maps);
}

export function forgetScript(fileName: string): void {
  scripts.delete(fileName);
  parsed.delete(`${fileName} code`);
  parsed.delete(`${fileName} source`);
}

/** Where the developer wrote it; null if that is unknown. */
export function originalPosition(fileName: string, position: Position): OriginalPosition | null {
  const maps = scripts.get(fileName);
  if (maps === undefined || maps.sourceMap === null) return null;
  let bundled: Position = position;
  if (maps.codeMap !== null) {
    const found = lookUp(`${fileName} code`, maps.codeMap, position);
    if (found === null) return null;
    bundled = found;
  }
  return lookUp(`${fileName} source`, maps.sourceMap, bundled);
}

/** The same for a module that is not a registered script. */
export function originalPositionIn(
  maps: ScriptMaps,
  position: Position,
): OriginalPosition | null {
  if (maps.sourceMap === null) return null;
  const bundled = maps.codeMap === null ? position : lookUp(maps.codeMap, maps.codeMap, position);
  return bundled === null ? null : lookUp(maps.sourceMap, maps.sourceMap, bundled);
}

function lookUp(key: string, map: string, position: Position): OriginalPosition | null {
  const traceMap = parse(key, map);
  if (traceMap === null) return null;
  const found = originalPositionFor(traceMap, position);
  if (found.source === null) return null;
  return { source: found.source, line: found.line, column: found.column };
}

/** The parsed map; null if it is not a source map. */
function parse(key: string, map: string): TraceMap | null {
  let traceMap = parsed.get(key);
  if (traceMap === undefined) {
    try {
      traceMap = new TraceMap(map);
    } catch {
      traceMap = null;
    }
    if (parsed.size >= PARSED_MAPS_MAX) parsed.clear();
    parsed.set(key, traceMap);
  }
  return traceMap;
}
