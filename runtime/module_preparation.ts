// Turns pushed ES modules into the CommonJS texts that isolates load. esbuild does it, in a process
// that is started when there is something to do and ended when there has been nothing for a while.

import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import { type PlatformError, userError } from "../engine/errors.ts";
import type { PreparedModule } from "./frames.ts";
import { type ExitReason, IsolateProcess } from "./isolate_process.ts";
import type { PreparationAnswer, PreparationRequest } from "./preparation/protocol.ts";
import { internalError } from "./system_failure.ts";

/** The process ends, and the cache is dropped, after so long without work. */
const IDLE_MS_MAX = 10_000;
/** Texts that are remembered; a push comes several times with the same modules. */
const CACHE_BYTES_MAX = 16 * 1024 * 1024;
/** esbuild's own memory is outside of this heap. */
const HEAP_MEBIBYTES = 512;

const PROGRAM = new URL("./preparation/main.ts", import.meta.url).pathname;
const ESBUILD_WASM = createRequire(import.meta.url).resolve("esbuild-wasm/esbuild.wasm");

/** A module as the CLI pushes it. */
export interface SourceModule {
  readonly path: string;
  readonly source: string;
  readonly sourceMap?: string | null;
  readonly environment?: "isolate" | "node";
}

interface PreparedText {
  readonly code: string;
  readonly codeMap: string;
  readonly reuseObstacle: string | null;
}

interface Waiting {
  resolve(answer: PreparationAnswer): void;
  reject(error: Error): void;
}

type PreparationProcess = IsolateProcess<PreparationRequest, PreparationAnswer>;

export class ModulePreparation {
  #process: PreparationProcess | null = null;
  #idleTimer: ReturnType<typeof setTimeout> | undefined;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  /** By path and hash; oldest first. */
  readonly #cache = new Map<string, PreparedText>();
  #cacheBytes = 0;
  /** Like the cache. Components of one push often share a chunk. */
  readonly #underWay = new Map<string, Promise<PreparedText>>();
  #closed = false;

  /**
   * Prepares all modules.
   * @throws PlatformError `InvalidModules` for a syntax error or a top-level `await`.
   */
  prepare(modules: readonly SourceModule[]): Promise<PreparedModule[]> {
    return Promise.all(modules.map((module) => this.#prepare(module)));
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#stop();
  }

  async #prepare(module: SourceModule): Promise<PreparedModule> {
    const { path, source, sourceMap = null, environment = "isolate" } = module;
    const hash = createHash("sha256").update(source).update(sourceMap ?? "").digest("hex");
    const text = await this.#transform(path, source, hash);
    return { path, environment, hash, source, sourceMap, ...text, imports: importsOf(text.code) };
  }

  async #transform(path: string, source: string, hash: string): Promise<PreparedText> {
    const key = `${hash} ${path}`;
    const known = this.#cache.get(key) ?? this.#underWay.get(key);
    if (known !== undefined) return await known;
    const made = this.#make(key, path, source);
    this.#underWay.set(key, made);
    try {
      return await made;
    } finally {
      this.#underWay.delete(key);
    }
  }

  async #make(key: string, path: string, source: string): Promise<PreparedText> {
    const answer = await this.#ask(path, source);
    if (!answer.ok) throw preparationError(path, answer);
    const { code, codeMap, reuseObstacle } = answer;
    const text = { code, codeMap, reuseObstacle };
    this.#remember(key, text);
    return text;
  }

  #ask(path: string, source: string): Promise<PreparationAnswer> {
    if (this.#closed) return Promise.reject(internalError(new Error("the server is stopping")));
    return new Promise((resolve, reject) => {
      const id = ++this.#lastId;
      this.#waiting.set(id, { resolve, reject });
      clearTimeout(this.#idleTimer);
      this.#process ??= this.#start();
      this.#process.send({ id, path, source });
    });
  }

  #start(): PreparationProcess {
    const process = IsolateProcess.spawn<PreparationRequest, PreparationAnswer>({
      entry: PROGRAM,
      programArguments: [ESBUILD_WASM],
      readableFiles: [ESBUILD_WASM],
      allowNet: false,
      heapMebibytes: HEAP_MEBIBYTES,
      // Optimising esbuild takes longer than all the work of a push, measured: 3.2 s against 0.9 s.
      v8Flags: ["--liftoff-only"],
      onFrames: (answers) => this.#receive(answers),
    });
    process.exited.then((reason) => this.#ended(process, reason));
    return process;
  }

  #receive(answers: readonly PreparationAnswer[]): void {
    for (const answer of answers) {
      this.#waiting.get(answer.id)?.resolve(answer);
      this.#waiting.delete(answer.id);
    }
    if (this.#waiting.size > 0) return;
    this.#idleTimer = setTimeout(() => this.#stop(), IDLE_MS_MAX);
    Deno.unrefTimer(this.#idleTimer);
  }

  #ended(process: PreparationProcess, reason: ExitReason): void {
    if (this.#process !== process) return;
    this.#process = null;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject } of waiting) {
      reject(internalError(new Error(`the preparation process ended: ${reason.detail}`)));
    }
  }

  async #stop(): Promise<void> {
    clearTimeout(this.#idleTimer);
    this.#cache.clear();
    this.#cacheBytes = 0;
    const process = this.#process;
    if (process === null) return;
    process.kill();
    await process.exited;
  }

  #remember(key: string, text: PreparedText): void {
    if (this.#cache.has(key)) return;
    this.#cache.set(key, text);
    this.#cacheBytes += bytesOf(text);
    for (const [oldKey, old] of this.#cache) {
      if (this.#cacheBytes <= CACHE_BYTES_MAX) break;
      this.#cache.delete(oldKey);
      this.#cacheBytes -= bytesOf(old);
    }
  }
}

/** Strings of V8 take one or two bytes a character. */
function bytesOf(text: PreparedText): number {
  return 2 * (text.code.length + text.codeMap.length);
}

const IMPORT = /\b(?:require|import)\(("(?:[^"\\\n]|\\.)*")\)/g;

/** Specifiers that esbuild's output imports. Texts that look like imports may be among them. */
function importsOf(code: string): string[] {
  const specifiers = new Set<string>();
  for (const [, literal] of code.matchAll(IMPORT)) {
    try {
      specifiers.add(JSON.parse(literal!));
    } catch {
      // Escapes that JSON does not know: no specifier of a bundle.
    }
  }
  return [...specifiers];
}

/** Spec deploy 7; the top-level `await` text is the platform's. */
function preparationError(path: string, answer: PreparationAnswer & { ok: false }): PlatformError {
  const message = answer.text.startsWith("Top-level await")
    ? "Top-level awaits in source files are unsupported"
    : `Uncaught SyntaxError: ${answer.text}\n` +
      `    at <anonymous> (${path}:${answer.line}:${answer.column + 1})\n`;
  return invalidModules(`Failed to analyze ${path}: ${message}`);
}

/** What loading the pushed modules came to; `message` may span lines. */
export function invalidModules(message: string): PlatformError {
  return userError(
    "InvalidModules",
    `Loading the pushed modules encountered the following\n    error:\n${message}`,
  );
}
