// What each attack of tests/apps/hostile must be answered with. What begins with `reached:` was let through
// because it harms nobody: the code saw nothing, or changed what ends with its own run.

/** Answer → the attacks of a family that get it, whatever the place. */
type Family = readonly (readonly [answer: RegExp, attacks: string])[];

const NO_SUCH_THING =
  /TypeError: .*(Cannot read properties of undefined|is not a (function|constructor))/;
const NOT_AT_IMPORT = "Can't use database at import time";
const ONLY_IN_TRANSACTIONS = `Unknown async operation 1\\.0/|${NOT_AT_IMPORT}`;
/** The run goes on with what it has changed, or fails of it. */
const OWN_RUN_ONLY =
  /^reached: (replaced|set|frozen|x|seen: |\{\})|^\[object Object\]|^! [^]*(stolen|#<Object>|TypeError|outside of a Convex backend)/;

const FAMILIES: Readonly<Record<string, Family>> = {
  resources: [
    [
      /Function execution timed out \(maximum duration: (500ms|5s)\)/,
      "endlessLoop endlessPromises endlessGenerator endlessGetter endlessProxy endlessThenable " +
      "endlessSort regexBomb regexBombInReplace wasmLoop",
    ],
    [
      /JavaScript execution ran out of memory \(maximum memory usage: 64 MB\)|timed out|RangeError/,
      "allocation strings objects mapBomb arrayBuffers wasmMemories jsonDepth promiseStorm " +
      "bigIntBomb giantLogArgument wasmMemory",
    ],
    // Of a response that is too large the site sends what came before the limit: nothing.
    [/ran out of memory|timed out|RangeError|too large|let through: \[|^$/, "jsonBomb"],
    [/RangeError/, "wasmTable stringBomb arrayBomb"],
    [/RangeError: Maximum call stack size exceeded/, "deepRecursion"],
    [/^logged$|^! [^]*(let through: logged|timed out)/, "giantLogs"],
    [/Uncaught Error: (rejection 0|let through: stormed)|timed out/, "rejectionStorm"],
    [/Can't use setTimeout in queries|unsupported at import time|^set$|timed out/, "manyTimers"],
    [/Uncaught Error: x{1000}|timed out/, "giantError"],
    [/return value is too large|let through: x|^x{1000}/, "giantResult"],
    [/nested|too deep|Maximum call stack|let through|^1$/i, "deepResult"],
    [/Returned promise will never resolve|timed out/, "neverResolves"],
    [/Uncaught \w*Error/, "sharedMemoryWait"],
  ],
  escapes: [
    [
      NO_SUCH_THING,
      "denoGlobal processBinding processExit processMainModule processDlopen requireFs " +
      "nodeBootstrap denoCore socket webSocket eventSource worker sharedWorker messageChannel " +
      "postMessage broadcast importScripts cacheStorage storage",
    ],
    [
      /EvalError: Code generation from strings disallowed for this context/,
      "functionConstructor functionOfFunction asyncFunction generatorFunction " +
      "asyncGeneratorFunction constructorOfError constructorOfHost constructorOfConsole " +
      "constructorOfPromise reflectConstruct evalFile evalThroughGlobal",
    ],
    [/^reached: \[\]$/, "denoThroughSymbols"],
    [
      /Can't use setTimeout in queries|handler must be a function|unsupported at import time/,
      "timerWithText",
    ],
    [
      /dynamic module import unsupported|Couldn't find JavaScript module '/,
      "importFs importVm importAsyncHooks importFile importData importExt importUp importScheme " +
      "importNul",
    ],
    [
      /Can't use fetch\(\) in queries|Unsupported URL scheme|fetch\(\) unsupported at import time/,
      "fetchFile fetchData fetchBlob",
    ],
    [/LinkError/, "wasmImports"],
  ],
  tampering: [
    [
      OWN_RUN_ONLY,
      "pollutePrototype polluteByJson polluteType polluteOk replacePush replaceIterator " +
      "replaceThen replaceSpecies replaceStringify replaceParse replaceEncode replaceMapGet " +
      "replaceExec replaceNow replaceToString replaceCall replaceApply replaceBuffer setPrototype " +
      "toJson overwriteHost overwriteHostGlobal freezeGlobal",
    ],
    // The hooks were called by nobody but the code itself.
    [/^reached: seen: $/, "polluteGetter setterOnArray"],
    [/^reached: seen: 0$/, "stackTraceHook"],
    [/^reached: seen: false$/, "stackTraceLimit captureStackTrace"],
    [/TypeError: 'caller', 'callee', and 'arguments' properties/, "callerOfFunction"],
    [/^reached: seen: undefined$/, "asyncHooks"],
    [/Uncaught #<Object>/, "hostileError hostileProxy"],
    [/Uncaught Error: thenable/, "hostileThenable"],
    [/^reached: seen: nothing$/, "hostileInspect"],
  ],
  forgery: [
    [/^reached: seen: nothing$/, "frameInLog otherRun"],
    [NO_SUCH_THING, "frameOnStdout frameOnProcess frameByPrint"],
    [/^reached: \{"type":"result","callId":1/, "frameAsResult"],
    [/Uncaught Error: \{\\?"type\\?":/, "frameAsError"],
    [/Uncaught Error: x|ConvexError with invalid data/, "forgedConvexError"],
    [
      new RegExp(
        `Unknown async operation (1\\.0/\\.\\./\\.\\./internal|__proto__)|${NOT_AT_IMPORT}`,
      ),
      "unknownSyscall syscallProto",
    ],
    [
      new RegExp(`Received invalid json|${ONLY_IN_TRANSACTIONS}`),
      "syscallGarbage syscallObject",
    ],
    [
      new RegExp(`Unknown operation|Uncaught Error: looked|${NOT_AT_IMPORT}`),
      "syscallConstructor syscallGetterArguments",
    ],
    [new RegExp(`in-progress query not found|${ONLY_IN_TRANSACTIONS}`), "foreignStream"],
    // Tables of the system look as if they did not exist.
    [
      new RegExp(`^reached: "?\\{\\\\?"page\\\\?":\\[\\],|${ONLY_IN_TRANSACTIONS}`),
      "systemModules systemVariables",
    ],
    [
      new RegExp(
        `queries cannot write|System tables can only be accessed|${ONLY_IN_TRANSACTIONS}`,
      ),
      "systemInsert",
    ],
    [new RegExp(`Unable to decode ID|${ONLY_IN_TRANSACTIONS}`), "forgedId"],
    [new RegExp(`InvalidCursor|${ONLY_IN_TRANSACTIONS}`), "forgedCursor"],
    [new RegExp(`Function handle not found|${ONLY_IN_TRANSACTIONS}`), "forgedHandle"],
    [new RegExp(`Could not find public function|${ONLY_IN_TRANSACTIONS}`), "systemFunction"],
    [new RegExp(`Child component .* not found|${ONLY_IN_TRANSACTIONS}`), "otherComponent"],
    [/^reached: seen: (\{\})?$/, "environment environmentTricks hostVariables"],
    [/The environment variable name \\?"__proto__\\?" is invalid/, "environmentByPrototype"],
    [/^reached: seen: false$/, "oldRegExpMatch"],
    [/^reached: seen: CryptoKey$/, "adminKey"],
  ],
};

const answers = new Map<string, RegExp>(
  Object.entries(FAMILIES).flatMap(([family, rows]) =>
    rows.flatMap(([answer, attacks]) =>
      attacks.split(" ").map((attack) => [`${family}.${attack}`, answer] as const)
    )
  ),
);

/** Every attack that has an answer here. */
export function knownAttacks(): string[] {
  return [...answers.keys()];
}

/** @throws Error when nobody said what the attack must be answered with */
export function expectedAnswer(name: string): RegExp {
  const answer = answers.get(name);
  if (answer === undefined) throw new Error(`no answer is expected of ${name}`);
  return answer;
}
