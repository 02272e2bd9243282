// The code of the running app as documents: `_modules` says which modules a component has and what
// they export, `_module_sources` holds the texts by hash. A push writes only what differs, so that
// queries which do not use a changed module stay valid (spec deploy 12).

import { createHash } from "node:crypto";
import type { Transaction } from "../engine/transaction.ts";
import type { ComponentId } from "../engine/types.ts";
import { canonicalJson } from "../engine/values/json.ts";
import type { Json } from "../engine/values/value.ts";
import type { ModuleAnalysis, PreparedModule } from "../runtime/frames.ts";

/** Sources that no module uses are kept this long for pushes and actions that are under way. */
const UNUSED_SOURCE_AGE_MS_MAX = 24 * 60 * 60 * 1000;

/** A module as it stands in the database. */
export interface StoredModule {
  readonly path: string;
  readonly environment: "isolate" | "node";
  /** Lowercase hex SHA-256 of the source followed by the source map. */
  readonly hash: string;
}

/** A module as a push wants it stored. `analysis` is null for modules that define no functions. */
export interface ModuleToStore extends StoredModule {
  readonly analysis: ModuleAnalysis | null;
}

/** Which modules a push added to or removed from the app; changed ones are in neither. */
export interface ModuleDiff {
  readonly added: string[];
  readonly removed: string[];
}

/** The hash under which both sides of the push protocol know a module (spec deploy 3). */
export function moduleHash(source: string, sourceMap: string | null): string {
  return createHash("sha256").update(source).update(sourceMap ?? "").digest("hex");
}

/** The analysis of modules that were not evaluated for functions; null for shared chunks. */
export function emptyAnalysis(path: string): ModuleAnalysis | null {
  if (path.startsWith("_deps/")) return null;
  return { functions: [], httpRoutes: null, cronSpecs: null, sourceMapped: null };
}

/** All modules of a component, by path. */
export function storedModules(tx: Transaction, component: ComponentId): StoredModule[] {
  return tx.table("modules").find("by_path", [component]).map((row) => ({
    path: String(row.path),
    environment: row.environment === "node" ? "node" : "isolate",
    hash: String(row.hash),
  }));
}

/** One module with its texts, null if there is none at that path. */
export function storedModule(
  tx: Transaction,
  component: ComponentId,
  path: string,
): PreparedModule | null {
  const row = tx.table("modules").first("by_path", [component, path]);
  if (row === null) return null;
  const texts = storedSource(tx, String(row.hash));
  if (texts === null) return null;
  return { ...texts, path, environment: row.environment === "node" ? "node" : "isolate" };
}

/** What is stored of a module independent of the path that it is pushed under. */
export type ModuleTexts = Omit<PreparedModule, "path" | "environment">;

/** The texts stored under `hash`, as they were prepared for some path. */
export function storedSource(
  tx: Transaction,
  hash: string,
): ModuleTexts | null {
  const row = tx.table("moduleSources").first("by_hash", [hash]);
  if (row === null) return null;
  const { source, sourceMap, code, codeMap, imports, reuseObstacle } = row;
  const texts = { hash, source, sourceMap, code, codeMap, imports, reuseObstacle };
  return texts as unknown as ModuleTexts;
}

/** Whether isolates can load the texts; those of modules for Node were stored as they came. */
export function isPrepared({ code }: Pick<ModuleTexts, "code">): boolean {
  return code !== "";
}

/** Stores the texts of modules; those that are there already are left alone. */
export function storeSources(tx: Transaction, modules: readonly PreparedModule[]): void {
  const table = tx.table("moduleSources");
  for (const { path: _path, environment: _environment, ...texts } of modules) {
    const { hash } = texts;
    const existing = table.first("by_hash", [hash]);
    const fields = { ...texts, imports: [...texts.imports] };
    if (existing === null) table.insert(fields);
    else if (isPrepared(texts) && !isPrepared({ code: String(existing.code) })) {
      table.replace(existing._id, fields);
    }
  }
}

/** Makes `modules` the complete code of a component. */
export function replaceModules(
  tx: Transaction,
  component: ComponentId,
  modules: readonly ModuleToStore[],
): ModuleDiff {
  const table = tx.table("modules");
  const existing = new Map(
    table.find("by_path", [component]).map((row) => [String(row.path), row]),
  );
  const diff: ModuleDiff = { added: [], removed: [] };
  for (const { path, environment, hash, analysis } of modules) {
    const row = existing.get(path);
    existing.delete(path);
    const analysisText = analysis === null ? null : canonicalJson(analysis as unknown as Json);
    const fields = { component, path, environment, hash, analysis: analysisText };
    if (row === undefined) {
      table.insert(fields);
      diff.added.push(path);
    } else if (
      row.hash !== hash || row.environment !== environment || row.analysis !== analysisText
    ) {
      table.replace(row._id, fields);
    }
  }
  for (const [path, row] of existing) {
    table.remove(row._id);
    diff.removed.push(path);
  }
  const isListed = (path: string) => !path.startsWith("_deps/");
  return { added: diff.added.filter(isListed), removed: diff.removed.filter(isListed) };
}

/** Deletes texts that no module uses and that are too old to belong to something under way. */
export function collectUnusedSources(tx: Transaction, nowMs: number): void {
  const used = new Set(tx.table("modules").all().map((row) => row.hash));
  const table = tx.table("moduleSources");
  for (const row of table.all()) {
    const isOld = Number(row._creationTime) < nowMs - UNUSED_SOURCE_AGE_MS_MAX;
    if (isOld && !used.has(row.hash)) table.remove(row._id);
  }
}
