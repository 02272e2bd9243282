// A Deno child process with the narrowest permissions, spoken to in frames over its stdin and stdout.
// Knows nothing of what the frames mean.

import { FrameDecoder, FrameEncoder, type FromIsolate, type ToIsolate } from "./frames.ts";

/** Bytes of stderr kept to say why the process ended. */
const STDERR_TAIL_BYTES_MAX = 8 * 1024;

export interface IsolateProcessOptions<Incoming = FromIsolate> {
  /** Path of the program that the process runs. */
  readonly entry: string;
  readonly programArguments?: readonly string[];
  /** Files that it may read; nothing else of the file system is visible to it. */
  readonly readableFiles: readonly string[];
  readonly allowNet: boolean;
  /** Hosts, addresses and networks that it may not reach all the same. */
  readonly denyNet?: readonly string[];
  /** Variables for Deno itself; the program has no permission to read them. */
  readonly variables?: Readonly<Record<string, string>>;
  /** V8 kills the process when its old generation grows beyond. */
  readonly heapMebibytes: number;
  /** More flags for V8. */
  readonly v8Flags?: readonly string[];
  /** Called for all frames that arrived together, in order. */
  readonly onFrames: (frames: Incoming[]) => void;
}

/** What the process itself is, without who listens to it. */
export type IsolateProgram = Omit<IsolateProcessOptions, "onFrames">;

/** A process as the system starts it. */
export interface ProcessCommand {
  readonly executable: string;
  readonly args: readonly string[];
  /** All of its environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** The process sends its frames to `FRAMES_FILE` (frames.ts); what it prints goes to stderr. */
  readonly framesApart?: boolean;
}

/** Runs a program with what was stdout as file 3, and stderr as stdout. */
const APART_SCRIPT = 'exec 3>&1 1>&2; exec "$0" "$@"';

/**
 * Why a process ended.
 * "heap": V8 ran out of memory. "killed": a signal from outside (operator, kernel).
 * "crash": it threw or aborted. "stopped": {@link IsolateProcess.kill} was called.
 */
export interface ExitReason {
  readonly kind: "heap" | "killed" | "crash" | "stopped";
  /** For the server's log: exit code, signal, last lines of stderr. */
  readonly detail: string;
}

/** A running isolate process. */
export class IsolateProcess<Outgoing = ToIsolate, Incoming = FromIsolate> {
  readonly pid: number;
  /** Resolves once, after all frames of the process were delivered. Never rejects. */
  readonly exited: Promise<ExitReason>;

  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #onFrames: (frames: Incoming[]) => void;
  /** Two encoders: one collects while the bytes of the other are being written. */
  #collecting = new FrameEncoder();
  #writing = new FrameEncoder();
  #isFlushDue = false;
  #isWriting = false;
  #stopped = false;
  #ended = false;
  #fault: string | null = null;

  private constructor(child: Deno.ChildProcess, onFrames: (frames: Incoming[]) => void) {
    this.#child = child;
    this.#onFrames = onFrames;
    this.pid = child.pid;
    this.#writer = child.stdin.getWriter();
    // A broken pipe shows as the exit of the process; nobody waits for the writer itself.
    this.#writer.closed.catch(() => {});
    this.exited = this.#run();
  }

  static spawn<Outgoing = ToIsolate, Incoming = FromIsolate>(
    options: IsolateProcessOptions<Incoming>,
  ): IsolateProcess<Outgoing, Incoming> {
    const args = isolateArguments(options);
    const env = { ...isolateEnvironment(), ...options.variables };
    const command = { executable: Deno.execPath(), args, env };
    return IsolateProcess.start<Outgoing, Incoming>(command, options.onFrames);
  }

  static start<Outgoing, Incoming>(
    { executable, args, env, cwd, framesApart = false }: ProcessCommand,
    onFrames: (frames: Incoming[]) => void,
  ): IsolateProcess<Outgoing, Incoming> {
    const child = new Deno.Command(framesApart ? "/bin/sh" : executable, {
      args: framesApart ? ["-c", APART_SCRIPT, executable, ...args] : [...args],
      clearEnv: true,
      env: { ...env },
      cwd,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    return new IsolateProcess(child, onFrames);
  }

  get alive(): boolean {
    return !this.#ended && !this.#stopped;
  }

  /** Queues a frame; all frames of one turn leave in one write. Ignored after the end. */
  send(frame: Outgoing): void {
    if (!this.alive) return;
    this.#collecting.add(frame);
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    queueMicrotask(() => this.flush());
  }

  /** Sends what is queued now instead of at the end of the turn. */
  flush(): void {
    this.#isFlushDue = false;
    if (!this.#isWriting) this.#write();
  }

  /** Ends the process at once. */
  kill(): void {
    if (!this.alive) return;
    this.#stopped = true;
    this.#signal();
  }

  async #write(): Promise<void> {
    this.#isWriting = true;
    try {
      while (this.#collecting.size > 0) {
        [this.#collecting, this.#writing] = [this.#writing, this.#collecting];
        await this.#writer.write(this.#writing.take());
      }
    } catch {
      // The pipe is gone: the process is ending and `exited` says why.
    } finally {
      this.#isWriting = false;
    }
  }

  async #run(): Promise<ExitReason> {
    const [status, , stderr] = await Promise.all([
      this.#child.status,
      this.#read(),
      readTail(this.#child.stderr),
    ]);
    this.#ended = true;
    this.#writer.abort().catch(() => {});
    const detail = [
      status.signal === null ? `exit code ${status.code}` : `signal ${status.signal}`,
      this.#fault,
      stderr.trim(),
    ].filter(Boolean).join("; ");
    if (this.#fault !== null) return { kind: "crash", detail };
    if (this.#stopped) return { kind: "stopped", detail };
    const kind = classify(status, stderr);
    // V8's dump says nothing to the operator: nearly always it is a function that took all memory.
    return { kind, detail: kind === "heap" ? "its JavaScript heap was full" : detail };
  }

  async #read(): Promise<void> {
    const decoder = new FrameDecoder<Incoming>();
    try {
      for await (const chunk of this.#child.stdout) {
        const frames = decoder.push(chunk);
        if (frames.length > 0 && !this.#stopped) this.#onFrames(frames);
      }
    } catch (error) {
      // Bytes that are no frames, or frames that make no sense: the process is not to be trusted.
      this.#fault = `bad frame: ${error instanceof Error ? error.stack : String(error)}`;
      this.#stopped = true;
      this.#signal();
    }
  }

  #signal(): void {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // Already gone.
    }
  }
}

/** Arguments by which the processes of a program are known: it, and the files that they read. */
export function processMarks(program: IsolateProgram): readonly string[] {
  return [program.entry, readPermission(program)];
}

function readPermission(program: Pick<IsolateProgram, "readableFiles">): string {
  return `--allow-read=${program.readableFiles.join(",")}`;
}

function isolateArguments(options: IsolateProgram): string[] {
  const { denyNet = [] } = options;
  const v8Flags = [
    `--max-old-space-size=${options.heapMebibytes}`,
    "--disallow-code-generation-from-strings",
    ...(options.v8Flags ?? []),
  ];
  return [
    "run",
    "--quiet",
    "--no-prompt",
    ...OWN_PACKAGES,
    readPermission(options),
    ...(options.allowNet ? ["--allow-net"] : []),
    ...(denyNet.length > 0 ? [`--deny-net=${denyNet.join(",")}`] : []),
    `--v8-flags=${v8Flags.join(",")}`,
    options.entry,
    ...(options.programArguments ?? []),
  ];
}

/**
 * How a program of this repository finds its npm packages: where the lock file says, without a
 * question to the registry. A new machine's cache has packages, but not what the registry says of them.
 */
export const OWN_PACKAGES: readonly string[] = [
  "--no-remote",
  "--cached-only",
  `--config=${new URL("../deno.json", import.meta.url).pathname}`,
  `--lock=${new URL("../deno.lock", import.meta.url).pathname}`,
  "--frozen",
];

/**
 * Nothing of the host's environment but where Deno's cache is. The process has no permission to
 * read even that.
 */
export function isolateEnvironment(): Record<string, string> {
  const env: Record<string, string> = {
    DENO_NO_UPDATE_CHECK: "1",
    NO_COLOR: "1",
    TZ: "UTC",
    LANG: "en_US.UTF-8",
  };
  for (const name of ["DENO_DIR", "HOME", "XDG_CACHE_HOME"]) {
    const value = Deno.env.get(name);
    if (value !== undefined) env[name] = value;
  }
  return env;
}

/** V8 reports a full heap on stderr and then aborts with a trap. */
function classify(status: Deno.CommandStatus, stderr: string): ExitReason["kind"] {
  if (/Fatal JavaScript (?:out of memory|invalid size)|heap out of memory/.test(stderr)) {
    return "heap";
  }
  if (status.signal === "SIGKILL" || status.signal === "SIGTERM" || status.signal === "SIGINT") {
    return "killed";
  }
  return "crash";
}

/** The last bytes of a stream. */
async function readTail(stream: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let tail = "";
  try {
    for await (const chunk of stream) {
      tail += decoder.decode(chunk, { stream: true });
      // V8 prints its reason first and stack dumps after it; keep both ends.
      if (tail.length > 2 * STDERR_TAIL_BYTES_MAX) {
        tail = tail.slice(0, STDERR_TAIL_BYTES_MAX) + tail.slice(-STDERR_TAIL_BYTES_MAX);
      }
    }
  } catch {
    // The pipe broke with the process.
  }
  return tail;
}
