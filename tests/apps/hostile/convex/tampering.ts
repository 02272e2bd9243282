// Attacks on what the runtime itself uses: built-in objects, hooks of the engine, the host's objects.
import { type Attacks, reach } from "./reach.ts";

/** Replaces a member of a built-in and says what came of it. */
function replace(owner: object, key: PropertyKey, value: unknown): string {
  (owner as Record<PropertyKey, unknown>)[key] = value;
  return "replaced";
}
const stolen: unknown[] = [];
const steal = function (this: unknown, ...given: unknown[]) {
  stolen.push(this, ...given);
  throw new Error("stolen");
};
const look = () => `seen: ${stolen.map((value) => Object.prototype.toString.call(value))}`;

export const tampering: Attacks = {
  pollutePrototype: () => replace(Object.prototype, "polluted", "yes"),
  polluteByJson: () => {
    const given = JSON.parse('{"__proto__":{"polluted":"yes"}}');
    const merge = (to: Record<string, unknown>, from: Record<string, unknown>): unknown => {
      for (const key of Object.keys(from)) {
        if (typeof from[key] === "object") merge(to[key] as typeof to, from[key] as typeof from);
        else to[key] = from[key];
      }
      return to;
    };
    return merge({}, given);
  },
  polluteType: () => replace(Object.prototype, "type", "result"),
  polluteOk: () => replace(Object.prototype, "ok", true),
  polluteGetter: () =>
    Object.defineProperty(Object.prototype, "value", { get: steal, configurable: true }) && look(),
  setterOnArray: () => Object.defineProperty(Array.prototype, "0", { set: steal }) && look(),
  replacePush: () => replace(Array.prototype, "push", steal),
  replaceIterator: () => replace(Array.prototype, Symbol.iterator, steal),
  replaceThen: () => replace(Promise.prototype, "then", steal),
  replaceSpecies: () => Object.defineProperty(Promise, Symbol.species, { get: () => steal }) && "x",
  replaceStringify: () => replace(JSON, "stringify", () => '{"forged":true}'),
  replaceParse: () => replace(JSON, "parse", () => ({ forged: true })),
  replaceEncode: () => replace(TextEncoder.prototype, "encodeInto", () => ({ written: 0 })),
  replaceMapGet: () => replace(Map.prototype, "get", steal),
  replaceExec: () => replace(RegExp.prototype, "exec", () => null),
  replaceNow: () => replace(Date, "now", () => 0),
  replaceToString: () => replace(Object.prototype, "toString", () => "poisoned"),
  replaceCall: () => replace(Function.prototype, "call", steal),
  replaceApply: () => replace(Function.prototype, "apply", steal),
  replaceBuffer: () => replace(ArrayBuffer.prototype, "slice", steal),
  setPrototype: () => Object.setPrototypeOf(Array.prototype, { stolen: 1 }) && "set",
  toJson: () => replace(Array.prototype, "toJSON", () => "stolen"),
  overwriteHost: () => replace(reach("Convex"), "asyncSyscall", steal),
  overwriteHostGlobal: () => replace(globalThis, "Convex", { asyncSyscall: steal }),
  freezeGlobal: () => Object.freeze(globalThis) && "frozen",
  stackTraceHook() {
    const found: unknown[] = [];
    (Error as unknown as { prepareStackTrace: unknown }).prepareStackTrace = (
      _error: Error,
      sites: { getThis(): unknown; getFunction(): unknown }[],
    ) => {
      for (const site of sites) found.push(site.getThis?.(), site.getFunction?.());
      return "hooked";
    };
    void new Error("x").stack;
    const escaped = found.filter((value) => typeof value === "function" || value === globalThis);
    return `seen: ${escaped.length}`;
  },
  stackTraceLimit() {
    (Error as unknown as { stackTraceLimit: number }).stackTraceLimit = Infinity;
    return `seen: ${/file:|ext:|runtime\//.test(String(new Error("x").stack))}`;
  },
  captureStackTrace() {
    const holder: { stack?: string } = {};
    (Error as unknown as { captureStackTrace(holder: object): void }).captureStackTrace(holder);
    return `seen: ${/file:|ext:|runtime\//.test(String(holder.stack))}`;
  },
  callerOfFunction: () =>
    (function () {
      return (arguments as unknown as { callee: unknown }).callee;
    })(),
  asyncHooks: () =>
    `seen: ${Object.keys(reach("AsyncResource").prototype)}${typeof reach("async_hooks")}`,
  hostileError: () => {
    throw {
      get message() {
        throw 1;
      },
      get name() {
        throw 2;
      },
    };
  },
  hostileProxy: () => {
    throw new Proxy(new Error("x"), {
      get() {
        throw 1;
      },
    });
  },
  hostileThenable: () => ({
    then(resolve: (value: unknown) => void) {
      resolve({
        then: () => {
          throw new Error("thenable");
        },
      });
    },
  }),
  hostileInspect() {
    console.log({
      inspect: () => {
        throw new Error("inspected");
      },
    });
    return "seen: nothing";
  },
};
