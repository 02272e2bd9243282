// The pushed code, its configuration and the environment variables as one snapshot has them. Every
// look is recorded in the transaction's read set, so that a push or a changed variable re-runs live
// queries; the documents themselves are read once a batch and parsed once for all batches.

import { type Component, ROOT_COMPONENT } from "../../engine/components.ts";
import type { Transaction } from "../../engine/transaction.ts";
import type { Timestamp } from "../../engine/timestamp.ts";
import type { ComponentId, IndexId, Interval, Snapshot } from "../../engine/types.ts";
import { byIdIndex, SYSTEM_TABLES, systemIndexId } from "../../engine/system_tables.ts";
import { encodeKey, KEY_AFTER } from "../../engine/values/key.ts";
import type { FunctionPath } from "../types.ts";
import { parseFunctionName } from "./function_path.ts";
import type { AnalyzedFunction, ModuleAnalysis, UdfConfig } from "../frames.ts";

/** A row of `_modules`. */
export interface ModuleRow {
  readonly path: string;
  readonly environment: "isolate" | "node";
  readonly hash: string;
  /** The module's functions by name; empty for shared chunks. */
  readonly functions: ReadonlyMap<string, AnalyzedFunction>;
}

/** A row of `_module_sources`. */
export interface ModuleSource {
  readonly hash: string;
  readonly source: string;
  readonly sourceMap: string | null;
  readonly code: string;
  readonly codeMap: string | null;
  /** Why instances of the module may never serve several runs; null if they may try. */
  readonly reuseObstacle?: string | null;
}

export interface DeploymentRow {
  readonly state: "running" | "paused";
  readonly convexCloudUrl?: string;
  readonly convexSiteUrl?: string;
}

interface ParsedRow {
  readonly ts: number;
  readonly value: unknown;
}

/** Parsed rows that are kept, of all small tables together. */
const PARSED_ROWS_MAX = 4096;
/** Intervals that are kept, so that their keys are encoded once. */
const POINTS_MAX = 4096;

const MODULES = systemIndexId(SYSTEM_TABLES.modules.number, 0);
const SOURCES = systemIndexId(SYSTEM_TABLES.moduleSources.number, 0);
const UDF_CONFIG = systemIndexId(SYSTEM_TABLES.udfConfig.number, 0);
const VARIABLES = systemIndexId(SYSTEM_TABLES.environmentVariables.number, 0);
const HANDLES = systemIndexId(SYSTEM_TABLES.functionHandles.number, 0);
const HANDLES_BY_ID = byIdIndex(SYSTEM_TABLES.functionHandles.number);
const CHILDREN = systemIndexId(SYSTEM_TABLES.components.number, 0);
const COMPONENTS_BY_ID = byIdIndex(SYSTEM_TABLES.components.number);
const DEPLOYMENT = SYSTEM_TABLES.deployment.number * 2 + 1;

/** Lasts as long as the process. */
export class CodeCache {
  readonly #rows = new Map<string, ParsedRow>();
  readonly #points = new Map<string, Interval>();
  #looks = new Map<Interval, unknown>();
  #looksAt = -1;

  /** What was found since the configuration last changed, at `configuration`; for all batches. */
  looks(configuration: Timestamp): Map<Interval, unknown> {
    if (this.#looksAt !== configuration || this.#looks.size >= POINTS_MAX) {
      this.#looks = new Map();
      this.#looksAt = configuration;
    }
    return this.#looks;
  }

  /** The interval of all rows whose first index fields are `parts`. */
  point(index: IndexId, ...parts: string[]): Interval {
    const name = `${index}\0${parts.join("\0")}`;
    let interval = this.#points.get(name);
    if (interval === undefined) {
      const start = encodeKey(parts);
      interval = { start, end: start + KEY_AFTER };
      if (this.#points.size >= POINTS_MAX) this.#points.clear();
      this.#points.set(name, interval);
    }
    return interval;
  }

  parsed<T>(id: string, ts: number, json: string, parse: (document: never) => T): T {
    const known = this.#rows.get(id);
    if (known !== undefined && known.ts === ts) return known.value as T;
    const value = parse(JSON.parse(json) as never);
    if (this.#rows.size >= PARSED_ROWS_MAX) this.#rows.clear();
    this.#rows.set(id, { ts, value });
    return value;
  }
}

/** A module that a test query brings along. */
export interface ExtraModule {
  readonly row: ModuleRow;
  readonly source: ModuleSource;
}

/** The modules that a test query brings along, by path. */
export interface ExtraModules {
  readonly component: ComponentId;
  readonly modules: ReadonlyMap<string, ExtraModule>;
}

const NO_EXTRA: ExtraModules = { component: "", modules: new Map() };

/** Code as one snapshot has it; shared by the runs of a batch. */
export class CodeView {
  readonly #snapshot: Snapshot;
  readonly #cache: CodeCache;
  readonly #memo: Map<Interval, unknown>;

  /**
   * @param configuration when the configuration last changed, if that is known.
   * @param extra modules that are not pushed.
   */
  constructor(
    snapshot: Snapshot,
    cache: CodeCache,
    configuration: Timestamp | null = null,
    private readonly extra: ExtraModules = NO_EXTRA,
  ) {
    this.#snapshot = snapshot;
    this.#cache = cache;
    this.#memo = configuration !== null && snapshot.ts >= configuration
      ? cache.looks(configuration)
      : new Map();
  }

  extraModule(component: ComponentId, path: string): ModuleRow | undefined {
    return component === this.extra.component ? this.extra.modules.get(path)?.row : undefined;
  }

  /** The view for one transaction: what it looks at lands in the read set. */
  access(tx: Transaction): CodeAccess {
    return new CodeAccess(this, this.#cache, tx);
  }

  /** The first row of the interval, parsed; null if there is none. */
  row<T>(index: IndexId, interval: Interval, parse: (document: never) => T): T | null {
    const known = this.#memo.get(interval);
    if (known !== undefined) return known as T | null;
    const row = this.#snapshot.scan(index, interval, "asc", 1)[0];
    const value = row === undefined ? null : this.#cache.parsed(row.id, row.ts, row.json, parse);
    this.#memo.set(interval, value);
    return value;
  }

  /** All variables of the app by name. */
  variables(): ReadonlyMap<string, string> {
    const known = this.#memo.get(ALL_VARIABLES);
    if (known !== undefined) return known as ReadonlyMap<string, string>;
    const variables = new Map<string, string>();
    for (const { json } of this.#snapshot.scan(VARIABLES, ALL_VARIABLES, "asc", VARIABLES_MAX)) {
      const { name, value } = JSON.parse(json) as VariableDocument;
      variables.set(name, value);
    }
    this.#memo.set(ALL_VARIABLES, variables);
    return variables;
  }

  /** The text of a module. Not kept here: the loader keeps what it compiles. */
  source(hash: string): ModuleSource | null {
    for (const { row, source } of this.extra.modules.values()) if (row.hash === hash) return source;
    const interval = this.#cache.point(SOURCES, hash);
    const row = this.#snapshot.scan(SOURCES, interval, "asc", 1)[0];
    return row === undefined ? null : JSON.parse(row.json) as ModuleSource;
  }
}

const ALL_ROWS: Interval = { start: "", end: KEY_AFTER };
/** More than there can be. */
const VARIABLES_MAX = 10_000;
/** Of its own, since what was found is kept by interval. */
const ALL_VARIABLES: Interval = { ...ALL_ROWS };

export class CodeAccess {
  readonly #view: CodeView;
  readonly #cache: CodeCache;
  readonly #tx: Transaction;
  /** Looks that are recorded: nested calls repeat them. */
  readonly #recorded = new Set<Interval>();

  constructor(view: CodeView, cache: CodeCache, tx: Transaction) {
    this.#view = view;
    this.#cache = cache;
    this.#tx = tx;
  }

  /** The same code, recording in another transaction. */
  within(tx: Transaction): CodeAccess {
    return this.#view.access(tx);
  }

  deployment(): DeploymentRow | null {
    return this.#row(DEPLOYMENT, ALL_ROWS, (document: DeploymentRow) => document);
  }

  module(component: ComponentId, path: string): ModuleRow | null {
    const extra = this.#view.extraModule(component, path);
    if (extra !== undefined) return extra;
    return this.#row(MODULES, this.#cache.point(MODULES, component, path), parseModule);
  }

  /** Sources are named by their hash and never change: no read is recorded. */
  source(hash: string): ModuleSource | null {
    return this.#view.source(hash);
  }

  udfConfig(component: ComponentId): UdfConfig | null {
    const point = this.#cache.point(UDF_CONFIG, component);
    return this.#row(UDF_CONFIG, point, (document: UdfConfig) => document);
  }

  environmentVariable(name: string): string | undefined {
    const point = this.#cache.point(VARIABLES, name);
    return this.#row(VARIABLES, point, ({ value }: VariableDocument) => value) ?? undefined;
  }

  /** All variables of the app by name, for those who look when they have changed. */
  variables(): ReadonlyMap<string, string> {
    this.#tx.addRead(VARIABLES, ALL_VARIABLES.start, ALL_VARIABLES.end);
    return this.#view.variables();
  }

  /** Id of the handle of `path` (`mod.js:fn`) in the component; null if there is none. */
  functionHandle(component: ComponentId, path: string): string | null {
    const point = this.#cache.point(HANDLES, component, path);
    const row = this.#row(HANDLES, point, parseHandle);
    return row === null || row.target === null ? null : row.id;
  }

  /** The function that a handle names; null if it is gone. */
  handleTarget(id: string): FunctionPath | null {
    const point = this.#cache.point(HANDLES_BY_ID, id);
    return this.#row(HANDLES_BY_ID, point, parseHandle)?.target ?? null;
  }

  /** The component with that id, which is not the app's; null if there is none. */
  component(id: ComponentId): Component | null {
    return this.#row(
      COMPONENTS_BY_ID,
      this.#cache.point(COMPONENTS_BY_ID, id),
      (document: Component) => document,
    );
  }

  /** The installed component of that name below `parent`; null if there is none. */
  childComponent(parent: ComponentId, name: string): Component | null {
    const point = this.#cache.point(CHILDREN, parent, name);
    const child = this.#row(CHILDREN, point, (document: Component) => document);
    return child?.state === "active" ? child : null;
  }

  /** Names from the app down, joined by `/`; "" for the app. */
  componentPath(id: ComponentId): string {
    return id === ROOT_COMPONENT ? "" : this.component(id)?.path ?? id;
  }

  #row<T>(index: IndexId, interval: Interval, parse: (document: never) => T): T | null {
    if (!this.#recorded.has(interval)) {
      this.#recorded.add(interval);
      this.#tx.addRead(index, interval.start, interval.end);
    }
    return this.#view.row(index, interval, parse);
  }
}

/** A row of `_environment_variables`. */
interface VariableDocument {
  readonly name: string;
  readonly value: string;
}

interface HandleRow {
  readonly id: string;
  /** Null while the function is gone. */
  readonly target: FunctionPath | null;
}

/** A row of `_function_handles`. */
interface HandleDocument {
  readonly _id: string;
  readonly component: ComponentId | null;
  /** `dir/mod.js:fn` */
  readonly path: string;
  readonly deletedTs?: unknown;
}

function parseHandle({ _id, component, path, deletedTs }: HandleDocument): HandleRow {
  if ((deletedTs ?? null) !== null) return { id: _id, target: null };
  return { id: _id, target: parseFunctionName(component ?? ROOT_COMPONENT, path) };
}

interface ModuleDocument {
  readonly path: string;
  readonly environment: "isolate" | "node";
  readonly hash: string;
  /** JSON text of {@link ModuleAnalysis}. */
  readonly analysis: string | null;
}

function parseModule(document: ModuleDocument): ModuleRow {
  const { path, environment, hash } = document;
  const analysis = document.analysis === null
    ? null
    : JSON.parse(document.analysis) as ModuleAnalysis;
  const functions = new Map(analysis?.functions.map((entry) => [entry.name, entry]));
  return { path, environment, hash, functions };
}
