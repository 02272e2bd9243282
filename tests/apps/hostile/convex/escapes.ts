// Attacks that look for a way out of the realm: to Deno, to the process, to files, sockets and code
// made of strings.
import { type Attacks, dynamicImport, reach } from "./reach.ts";

const READ_PASSWD = "return Deno.readTextFileSync('/etc/passwd')";
const constructorOf = (value: object) => Object.getPrototypeOf(value).constructor;

export const escapes: Attacks = {
  denoGlobal: () => reach("Deno").readTextFileSync("/etc/passwd"),
  denoThroughSymbols: () =>
    Object.getOwnPropertySymbols(globalThis)
      .map((symbol) => (globalThis as unknown as Record<symbol, { internal?: unknown }>)[symbol])
      .map((value) => value?.internal ?? reach("Deno").internal),
  functionConstructor: () => new Function(READ_PASSWD)(),
  functionOfFunction: () => (() => {}).constructor(READ_PASSWD)(),
  asyncFunction: () => constructorOf(async () => {})(READ_PASSWD)(),
  generatorFunction: () => constructorOf(function* () {})(READ_PASSWD)().next(),
  asyncGeneratorFunction: () => constructorOf(async function* () {})(READ_PASSWD)().next(),
  constructorOfError() {
    try {
      (null as unknown as { x: object }).x;
    } catch (error) {
      return (error as Error).constructor.constructor(READ_PASSWD)();
    }
  },
  constructorOfHost: () => reach("Convex").asyncSyscall.constructor(READ_PASSWD)(),
  constructorOfConsole: () => console.log.constructor(READ_PASSWD)(),
  constructorOfPromise: async () => {
    const promise = reach("Convex").asyncSyscall("1.0/nothing", "{}").catch(() => {});
    return await promise.constructor.constructor(READ_PASSWD)();
  },
  reflectConstruct: () => Reflect.construct(Function, [READ_PASSWD])(),
  evalFile: () => (0, eval)("Deno.readTextFileSync('/etc/passwd')"),
  evalThroughGlobal: () => reach("eval")("Deno.readTextFileSync('/etc/passwd')"),
  timerWithText: () => reach("setTimeout")("Deno.exit(1)", 0),
  processBinding: () => reach("process").binding("fs"),
  processExit: () => reach("process").exit(0),
  processMainModule: () => reach("process").mainModule.require("node:fs"),
  processDlopen: () => reach("process").dlopen({}, "/lib/libc.so.6"),
  requireFs: () => reach("require")("node:fs").readFileSync("/etc/passwd", "utf8"),
  nodeBootstrap: () => reach("nodeBootstrap")(),
  denoCore: () => reach("__bootstrap").core.ops,
  importFs: async () => (await dynamicImport("node:fs")).readFileSync("/etc/passwd", "utf8"),
  importVm: async () => (await dynamicImport("node:vm")).runInThisContext("Deno"),
  importAsyncHooks: async () => (await dynamicImport("node:async_hooks")).createHook({}),
  importFile: () => dynamicImport("file:///etc/passwd"),
  importData: () => dynamicImport("data:text/javascript,export default Deno"),
  importExt: () => dynamicImport("ext:core/mod.js"),
  importUp: () => dynamicImport("../../../../../../etc/passwd"),
  importScheme: () => dynamicImport("convex:/../../etc/passwd"),
  importNul: () => dynamicImport("./attacks.js\0.js"),
  socket: () => reach("Deno").connect({ port: 22 }),
  webSocket: () => new (reach("WebSocket"))("ws://127.0.0.1:9/"),
  eventSource: () => new (reach("EventSource"))("http://127.0.0.1:9/"),
  worker: () => new (reach("Worker"))("data:text/javascript,1", { type: "module" }),
  sharedWorker: () => new (reach("SharedWorker"))("data:text/javascript,1"),
  messageChannel: () => new (reach("MessageChannel"))().port1.postMessage("x"),
  postMessage: () => reach("postMessage")({ type: "result" }),
  broadcast: () => new (reach("BroadcastChannel"))("isolates").postMessage("x"),
  importScripts: () => reach("importScripts")("https://example.com/x.js"),
  cacheStorage: () => reach("caches").open("x"),
  storage: () => reach("localStorage").setItem("a", "b"),
  fetchFile: () => fetch("file:///etc/passwd").then((response) => response.text()),
  fetchData: () => fetch("data:text/plain,x").then((response) => response.text()),
  fetchBlob: () => fetch("blob:null/1").then((response) => response.text()),
  wasmImports() {
    const code = Uint8Array.fromHex("0061736d01000000010401600000020701016101620000");
    return new WebAssembly.Instance(new WebAssembly.Module(code), { a: {} });
  },
};
