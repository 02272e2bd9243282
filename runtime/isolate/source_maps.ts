// From a position in the code that runs back to the developer's file: first through the map of the
// CommonJS transform, then through the map that the CLI pushed.

import { type OriginalPosition, type Position, SourceMapText } from "./source_map_text.ts";

/** The texts that a script's positions are mapped with. */
export interface ScriptMaps {
  /** From the running code to the pushed bundle; null: they are the same text. */
  readonly codeMap: string | null;
  /** From the pushed bundle to the developer's file. */
  readonly sourceMap: string | null;
}

/** Characters of maps that are kept ready for lookups; they are only needed for errors. */
const READY_LENGTH_MAX = 8 * 1024 * 1024;

const scripts = new Map<string, ScriptMaps>();
const ready = new Map<string, SourceMapText | null>();
let readyLength = 0;

/** Makes positions in the script with that file name mappable. */
export function registerScript(fileName: string, maps: ScriptMaps): void {
  scripts.set(fileName, maps);
}

export function forgetScript(fileName: string): void {
  const maps = scripts.get(fileName);
  scripts.delete(fileName);
  forgetMap(`${fileName} code`, maps?.codeMap);
  forgetMap(`${fileName} source`, maps?.sourceMap);
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
  return readyMap(key, map)?.find(position) ?? null;
}

/** The map, ready for lookups; null if it is not a source map. */
function readyMap(key: string, text: string): SourceMapText | null {
  let map = ready.get(key);
  if (map === undefined) {
    try {
      map = new SourceMapText(text);
    } catch {
      map = null;
    }
    if (readyLength + text.length > READY_LENGTH_MAX) {
      ready.clear();
      readyLength = 0;
    }
    ready.set(key, map);
    readyLength += text.length;
  }
  return map;
}

function forgetMap(key: string, text: string | null | undefined): void {
  if (ready.delete(key)) readyLength -= text?.length ?? 0;
}
