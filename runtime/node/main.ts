// Entry of a Node process: runs actions of the app's `"use node"` modules, many at a time, under
// Deno's compatibility with Node or an installed Node. The modules are files; each is imported once
// and keeps its state. It imports no npm package, so that bare specifiers mean the app's packages.
// Ends when stdin does.

import { AsyncLocalStorage } from "node:async_hooks";
import fs from "node:fs";
import process from "node:process";
import { clearTimeout, setTimeout } from "node:timers";
import { pathToFileURL } from "node:url";
import { describeExports } from "../exported_functions.ts";
import { FrameDecoder, FrameEncoder, FRAMES_FILE } from "../frames.ts";
import { ADDON_REFUSAL, withAddonRefusal } from "./native_addons.ts";
import { NodeCall } from "./node_call.ts";
import type {
  FromNode,
  ModuleDescription,
  NodeInitFrame,
  NodeOutcome,
  ReportedError,
  ToNode,
} from "./protocol.ts";
import { plainReport, reportThrown, reportUncaught } from "./reported_error.ts";
import { arrange } from "./surroundings.ts";

type RunFrame = ToNode & { readonly type: "run" };
type ImportedModule =
  | { readonly ok: true; readonly exports: Readonly<Record<string, unknown>> }
  | { readonly ok: false; readonly error: ReportedError };

// User code finds other ones in their places (surroundings.ts).
const { stdin } = process;
const { reallyExit } = process as unknown as { reallyExit(code: number): never };
const exit = reallyExit.bind(process);
const writeSync = fs.writeSync;
const framesFile = fs.openSync(FRAMES_FILE, "w");
const encoder = new FrameEncoder();

function send(frame: FromNode): void {
  encoder.add(frame);
  const bytes = encoder.take();
  for (let at = 0; at < bytes.length;) at += writeSync(framesFile, bytes, at);
}

class NodeServer {
  readonly #init: NodeInitFrame;
  readonly #appUrl: string;
  readonly #calls = new Map<number, NodeCall>();
  readonly #current = new AsyncLocalStorage<NodeCall>();
  #isAddonRefused = false;

  constructor(init: NodeInitFrame) {
    this.#init = init;
    this.#appUrl = `${pathToFileURL(init.appDirectory)}/`;
    arrange(init, {
      currentCall: () => this.#current.getStore() ?? null,
      onAddonRefused: () => {
        this.#isAddonRefused = true;
        this.#current.getStore()?.log("WARN", [ADDON_REFUSAL]);
      },
      onExit: (what) => this.#failUncaught(plainReport(`Uncaught exit: ${what}`)),
    });
    for (const event of ["unhandledRejection", "uncaughtException"]) {
      process.on(event, (reason: unknown) => {
        this.#failUncaught(reportUncaught(event, reason, this.#appUrl));
      });
    }
    Object.defineProperty(globalThis, "Convex", {
      value: {
        syscall: (name: string, args: string) => this.#syscall(name, args),
        asyncSyscall: (name: string, args: string) => this.#asyncSyscall(name, args),
        jsSyscall: (name: string, args: Record<string, unknown>) =>
          this.#callOf(args.requestId).jsSyscall(name, args),
      },
    });
  }

  handle(frame: ToNode): void {
    switch (frame.type) {
      case "run":
        this.#run(frame);
        break;
      case "describe":
        this.#describe(frame.module).then((description) =>
          send({ type: "described", id: frame.id, description })
        );
        break;
      case "reply":
        this.#calls.get(frame.callId)?.reply(frame.opId, frame.result);
        break;
      case "chunk":
      case "end":
      case "credit":
      case "stop":
        this.#calls.get(frame.callId)?.receive(frame);
        break;
      case "cancel":
        this.#calls.get(frame.callId)?.end();
        break;
      default:
        throw new Error(`a Node process cannot serve ${frame.type}`);
    }
  }

  #run(frame: RunFrame): void {
    const { callId, name, timeMs } = frame;
    const call = new NodeCall({
      callId,
      operationsMax: this.#init.operationsMax,
      send,
      onEnd: () => {
        clearTimeout(timer);
        this.#calls.delete(callId);
      },
    });
    const timer = setTimeout(() => {
      send({ type: "leaving" });
      const seconds = timeMs / 1000;
      const text = `Action \`${name}\` execution timed out (maximum duration ${seconds}s)`;
      call.finish({ ok: false, error: plainReport(text) });
    }, timeMs);
    this.#calls.set(callId, call);
    this.#current.run(call, () => this.#outcome(frame)).then((outcome) => call.finish(outcome));
  }

  async #outcome({ callId, module, name, args }: RunFrame): Promise<NodeOutcome> {
    try {
      const exported = await this.#import(module);
      if (!exported.ok) return exported;
      const registered = exported.exports[name] as {
        readonly isAction?: unknown;
        invokeAction?(requestId: string, args: string): Promise<unknown>;
      } | undefined;
      if (typeof registered?.invokeAction !== "function") {
        return {
          ok: false,
          error: plainReport(`Couldn't find action \`${name}\` in \`${module}\``),
        };
      }
      return { ok: true, value: String(await registered.invokeAction(String(callId), args)) };
    } catch (error) {
      return { ok: false, error: reportThrown(error, this.#appUrl) };
    }
  }

  async #describe(module: string): Promise<ModuleDescription> {
    const imported = await this.#import(module);
    if (!imported.ok) return imported;
    try {
      return { ok: true, exports: describeExports(imported.exports) };
    } catch (error) {
      return { ok: false, error: reportThrown(error, this.#appUrl) };
    }
  }

  async #import(module: string): Promise<ImportedModule> {
    try {
      return { ok: true, exports: await import(this.#appUrl + module) };
    } catch (error) {
      const report = reportThrown(error, this.#appUrl);
      return { ok: false, error: this.#isAddonRefused ? withAddonRefusal(report) : report };
    }
  }

  // What `convex/server` asks of its surroundings.

  #syscall(name: string, _args: string): never {
    if (name === "1.0/componentArgument") {
      throw new Error("Component arguments are not available within the app");
    }
    throw new Error(
      "The Convex database object is being used outside of a Convex query or mutation.",
    );
  }

  // deno-lint-ignore require-await -- errors must be rejections
  async #asyncSyscall(name: string, args: string): Promise<string> {
    const { requestId } = JSON.parse(args) as { requestId?: unknown };
    return this.#callOf(requestId).asyncSyscall(name, args);
  }

  /** The call that an operation belongs to: the one it names, or else the one whose code runs. */
  #callOf(requestId: unknown): NodeCall {
    const call = typeof requestId === "string"
      ? this.#calls.get(Number(requestId))
      : this.#current.getStore();
    if (call !== undefined && !call.ended) return call;
    if (call === undefined && requestId === undefined) {
      throw new Error("Cannot invoke syscall during module imports");
    }
    throw new Error(
      "Leftover state detected. This typically happens if there are dangling promises from a " +
        "previous request. Did you forget to await your promises?",
    );
  }

  /** Fails the action whose code did it; all of them if that is unknown. */
  #failUncaught(error: ReportedError): void {
    const culprit = this.#current.getStore();
    const failed = culprit === undefined ? [...this.#calls.values()] : [culprit];
    send({ type: "leaving" });
    for (const call of failed) call.finish({ ok: false, error });
  }
}

let server: NodeServer | null = null;
const decoder = new FrameDecoder<ToNode>();
for await (const chunk of stdin) {
  for (const frame of decoder.push(chunk)) {
    if (server !== null) server.handle(frame);
    else if (frame.type === "init") {
      server = new NodeServer(frame);
      send({ type: "ready" });
    } else throw new Error(`the first frame is ${frame.type}`);
  }
}
// What actions left behind may keep the loop alive.
exit(0);
