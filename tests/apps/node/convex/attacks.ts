// Attempts to reach what an action in Node must not reach. Each returns what it got, or throws.
// deno-lint-ignore-file require-await
"use node";
import { execSync, spawn } from "node:child_process";
import dgram from "node:dgram";
import fs from "node:fs";
import http from "node:http";
import { open as openInspector } from "node:inspector";
import { createRequire } from "node:module";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { Worker } from "node:worker_threads";
import { actionGeneric as action } from "convex/server";
import { v } from "convex/values";

const settled = (listen: (done: () => void, fail: (error: Error) => void) => void) =>
  new Promise<string>((resolve, reject) => listen(() => resolve("done"), reject));

const ATTACKS: Record<string, (target: string) => unknown> = {
  readFile: (target) => fs.readFileSync(target, "utf8"),
  readFileAsync: (target) => fs.promises.readFile(target, "utf8"),
  listDirectory: (target) => fs.readdirSync(path.dirname(target)),
  openForWriting: (target) => fs.openSync(target, "r+"),
  statFile: (target) => fs.statSync(target).size,
  removeFile: (target) => fs.rmSync(target),
  truncate: (target) => fs.truncateSync(target),
  renameIn: (target) => fs.renameSync(target, path.join(os.tmpdir(), "stolen")),
  copyIn: (target) => fs.copyFileSync(target, path.join(os.tmpdir(), "stolen")),
  writeBeside: (target) => fs.writeFileSync(`${target}.new`, "x"),
  writeOwnModule: () => fs.writeFileSync(`${__dirname}/work.js`, "export {}"),
  symlink: (target) => {
    const link = path.join(os.tmpdir(), "link");
    fs.symlinkSync(target, link);
    return fs.readFileSync(link, "utf8");
  },
  hardLink: (target) => {
    const link = path.join(os.tmpdir(), "link");
    fs.linkSync(target, link);
    return fs.readFileSync(link, "utf8");
  },
  climb: (target) => fs.readFileSync(path.join(os.tmpdir(), "../../../..", target), "utf8"),
  throughProc: (target) => fs.readFileSync(`/proc/self/root${target}`, "utf8"),
  ownEnvironment: () => fs.readFileSync("/proc/self/environ", "utf8"),
  parentEnvironment: () => fs.readFileSync(`/proc/${process.ppid}/environ`, "utf8"),
  parentMemory: () => fs.openSync(`/proc/${process.ppid}/mem`, "r+"),
  importFile: (target) => import(target),
  importJson: (target) => import(`file://${target}`, { with: { type: "json" } }),
  requireFile: (target) => createRequire(target)(target),
  remoteModule: () => import(["https:", "", "esm.sh", "zod"].join("/")),
  npmModule: () => import(["npm", "zod"].join(":")),
  sqlite: async (target) => {
    const { DatabaseSync } = await import("node:sqlite");
    return new DatabaseSync(target, { readOnly: true }).prepare("SELECT 1").all();
  },
  shell: () => execSync("id").toString(),
  spawn: () =>
    settled((done, fail) =>
      spawn(process.execPath, ["--version"]).on("error", fail).on("exit", done)
    ),
  denoCommand: () => new Deno.Command(Deno.execPath(), { args: ["--version"] }).outputSync().code,
  killParent: () => process.kill(process.ppid, "SIGKILL"),
  denoKill: () => Deno.kill(process.ppid, "SIGKILL"),
  requestPermission: async () => (await Deno.permissions.request({ name: "run" })).state,
  nativeLibrary: () => Deno.dlopen("libc.so.6", {}),
  nativeAddon: () => process.dlopen({ exports: {} }, "/lib/x86_64-linux-gnu/libc.so.6"),
  listen: () => settled((done, fail) => net.createServer().on("error", fail).listen(0, done)),
  listenLocally: () =>
    settled((done, fail) => net.createServer().on("error", fail).listen(0, "127.0.0.1", done)),
  listenHttp: () => settled((done, fail) => http.createServer().on("error", fail).listen(0, done)),
  denoListen: () => Deno.listen({ port: 0 }).addr.transport,
  denoServe: () => Deno.serve({ port: 0 }, () => new Response("")).addr.port,
  unixSocket: () =>
    settled((done, fail) =>
      net.connect("/var/run/docker.sock").on("error", fail).on("connect", done)
    ),
  udpServer: () =>
    settled((done, fail) => dgram.createSocket("udp4").on("error", fail).bind(0, "0.0.0.0", done)),
  inspector: () => openInspector(0),
  worker: (target) =>
    settled((done, fail) =>
      new Worker(`require("fs").readFileSync(${JSON.stringify(target)})`, { eval: true })
        .on("error", fail).on("exit", done)
    ),
  user: () => os.userInfo().username,
};

export const names = action({ handler: async () => Object.keys(ATTACKS) });

export const attempt = action({
  args: { attack: v.string(), target: v.string() },
  handler: async (_ctx, { attack, target }) => {
    const got = await ATTACKS[attack]!(target);
    return `got ${typeof got === "string" ? got : JSON.stringify(got) ?? "something"}`;
  },
});

/** Allocates until the process ends. */
export const allocate = action({
  handler: async () => {
    const kept: unknown[] = [];
    for (;;) kept.push(new Array(1_000_000).fill(Math.random()));
  },
});

export const garbleFrames = action({
  handler: async () => {
    fs.writeFileSync("/dev/fd/3", "not a frame, and much longer than a header");
    await new Promise((resolve) => setTimeout(resolve, 10_000));
  },
});
