// Attacks that pretend: to be the host, to be a finished run, to be another run or another user; and that
// look for what belongs to others.
import { type Attacks, reach } from "./reach.ts";

const FRAME = '{"type":"result","callId":1,"result":{"ok":true,"value":"\\"forged\\""}}';
const ask = (op: string, args: unknown): Promise<string> =>
  reach("Convex").asyncSyscall(op, typeof args === "string" ? args : JSON.stringify(args));

export const forgery: Attacks = {
  frameInLog() {
    console.log(`\n${FRAME}\n`);
    console.error("\u0000\u0000\u0000\u0050" + FRAME);
    return "seen: nothing";
  },
  frameOnStdout: () => reach("Deno").stdout.writeSync(new TextEncoder().encode(FRAME)),
  frameOnProcess: () => reach("process").stdout.write(FRAME),
  frameByPrint: () => reach("print")(FRAME),
  frameAsResult: () => ({ type: "result", callId: 1, result: { ok: true, value: "forged" } }),
  frameAsError: () => {
    throw Object.assign(new Error(FRAME), { type: "result", callId: 1, ok: true });
  },
  forgedConvexError: () => {
    throw Object.assign(new Error("x"), {
      data: '{"$integer":"broken"}',
      ConvexErrorSymbol: Symbol.for("ConvexError"),
      [Symbol.for("ConvexError")]: true,
    });
  },
  unknownSyscall: () => ask("1.0/../../internal", {}),
  syscallGarbage: () => ask("1.0/get", "{{{\u0000"),
  syscallObject: () => reach("Convex").asyncSyscall({ toString: () => "1.0/get" }, null),
  syscallProto: () => ask("__proto__", {}),
  syscallConstructor: () => reach("Convex").jsSyscall("constructor", {}),
  syscallGetterArguments: () =>
    reach("Convex").jsSyscall("storage/storeBlob", {
      get blob() {
        throw new Error("looked");
      },
    }),
  foreignStream: () => ask("1.0/queryStreamNext", { queryId: -1 }),
  systemModules: () =>
    ask("1.0/queryPage", {
      query: {
        source: { type: "FullTableScan", tableName: "_modules", order: null },
        operators: [],
      },
      cursor: null,
      pageSize: 10,
    }),
  systemVariables: () =>
    ask("1.0/queryPage", {
      query: {
        source: { type: "FullTableScan", tableName: "_environment_variables", order: null },
        operators: [],
      },
      cursor: null,
      pageSize: 10,
    }),
  systemInsert: () => ask("1.0/insert", { table: "_modules", value: { path: "evil.js" } }),
  forgedId: () => ask("1.0/get", { id: "0".repeat(32), isSystem: true }),
  forgedCursor: () =>
    ask("1.0/queryPage", {
      query: { source: { type: "FullTableScan", tableName: "visits", order: null }, operators: [] },
      cursor: "AAAA".repeat(20),
      pageSize: 1,
    }),
  forgedHandle: () =>
    ask("1.0/runUdf", {
      udfType: "query",
      functionHandle: "function://0#attacks:hidden",
      args: {},
    }),
  systemFunction: () =>
    ask("1.0/runUdf", { udfType: "query", name: "_system/cli/tables:default", args: {} }),
  otherComponent: () =>
    ask("1.0/runUdf", {
      udfType: "query",
      reference: "_reference/childComponent/../x/y",
      args: {},
    }),
  environment: () =>
    `seen: ${Object.keys(process.env)}${process.env.HOME ?? ""}${process.env.PATH ?? ""}`,
  environmentTricks: () =>
    `seen: ${Object.getOwnPropertyNames(process.env)}${JSON.stringify({ ...process.env })}`,
  environmentByPrototype: () => process.env["__proto__"],
  hostVariables: () =>
    `seen: ${process.env.CONCAVE_S3_SECRET_ACCESS_KEY ?? ""}${process.env.HOSTILE_SECRET ?? ""}`,
  otherRun: () => `seen: ${reach("secretOfAnotherRun") ?? "nothing"}`,
  oldRegExpMatch: () => `seen: ${/secret/.test(RegExp.lastMatch) || /secret/.test(RegExp.input)}`,
  adminKey: () =>
    `seen: ${Object.getOwnPropertyNames(globalThis).filter((n) => /key|secret/i.test(n))}`,
};

declare const process: { env: Record<string, string | undefined> };
