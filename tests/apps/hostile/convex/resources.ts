// Attacks that use up what others need: time, memory, the log, the host's patience.
import type { Attacks } from "./reach.ts";

export const resources: Attacks = {
  endlessLoop() {
    for (;;);
  },
  endlessPromises: async () => {
    for (;;) await null;
  },
  endlessGenerator() {
    function* numbers() {
      for (let i = 0;; i++) yield i;
    }
    let sum = 0;
    for (const n of numbers()) sum += n;
    return sum;
  },
  endlessGetter: () =>
    JSON.stringify({
      get value() {
        for (;;);
      },
    }),
  endlessProxy: () =>
    Object.keys(
      new Proxy({}, {
        ownKeys() {
          for (;;);
        },
      }),
    ),
  endlessThenable: () => ({
    then() {
      for (;;);
    },
  }),
  endlessSort: () =>
    [3, 2, 1].sort(() => {
      for (;;);
    }),
  regexBomb: () => /^(a+)+$/.test("a".repeat(40) + "!"),
  regexBombInReplace: () => "x".repeat(60).replace(/(x+x+)+y/g, ""),
  allocation() {
    const kept: number[][] = [];
    for (;;) kept.push(new Array(100_000).fill(kept.length));
  },
  strings() {
    const kept: string[] = [];
    for (;;) kept.push(`${kept.length}`.padEnd(1_000_000, "é") + kept.length);
  },
  objects() {
    let chain: unknown = null;
    for (;;) chain = { chain, more: [chain] };
  },
  mapBomb() {
    const map = new Map<number, object>();
    for (let i = 0;; i++) map.set(i, { i });
  },
  arrayBuffers() {
    const kept: Uint8Array[] = [];
    for (;;) kept.push(new Uint8Array(16 * 1024 * 1024).fill(1));
  },
  wasmMemories() {
    const kept: WebAssembly.Memory[] = [];
    for (;;) {
      const memory = new WebAssembly.Memory({ initial: 256 });
      new Uint8Array(memory.buffer).fill(1);
      kept.push(memory);
    }
  },
  wasmTable: () => new WebAssembly.Table({ initial: 2 ** 31, element: "anyfunc" }).length,
  jsonBomb: () =>
    JSON.stringify(Array.from({ length: 24 }).reduce((inner) => [inner, inner], "x" as unknown)),
  jsonDepth() {
    let text = "1";
    for (let i = 0; i < 24; i++) text = `[${text},${text}]`;
    return JSON.parse(text);
  },
  stringBomb: () => "x".repeat(2 ** 30),
  arrayBomb: () => new Array(2 ** 32),
  bigIntBomb: () => (2n ** 20_000_000n) ** 50n,
  deepRecursion() {
    const recurse = (n: number): number => recurse(n + 1) + 1;
    return recurse(0);
  },
  promiseStorm: async () => {
    const kept: Promise<void>[] = [];
    for (;;) {
      for (let i = 0; i < 10_000; i++) kept.push(Promise.resolve().then(() => {}));
      await null;
    }
  },
  rejectionStorm() {
    for (let i = 0; i < 10_000; i++) void Promise.reject(new Error(`rejection ${i}`));
    return "stormed";
  },
  manyTimers() {
    for (let i = 0; i < 200_000; i++) setTimeout(() => {}, 60_000);
    return "set";
  },
  wasmLoop() {
    const code = Uint8Array.fromHex(
      "0061736d01000000010401600000030201000707010372756e00000a0901070003400c000b0b",
    );
    const { run } = new WebAssembly.Instance(new WebAssembly.Module(code)).exports;
    (run as () => void)();
  },
  wasmMemory() {
    const memory = new WebAssembly.Memory({ initial: 1 });
    for (;;) {
      memory.grow(1_024);
      new Uint8Array(memory.buffer).fill(1);
    }
  },
  giantLogs() {
    for (let i = 0; i < 100_000; i++) console.log("x".repeat(30_000), i);
    return "logged";
  },
  giantLogArgument() {
    console.log(Array.from({ length: 3_000_000 }, (_, i) => ({ i })));
    return "logged";
  },
  giantError() {
    throw new Error("x".repeat(20_000_000));
  },
  giantResult: () => "x".repeat(20 * 1024 * 1024),
  deepResult() {
    let value: unknown = 1;
    for (let i = 0; i < 100_000; i++) value = [value];
    return value;
  },
  neverResolves: () => new Promise(() => {}),
  sharedMemoryWait: () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0),
};
