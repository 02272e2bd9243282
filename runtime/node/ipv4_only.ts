// Starts a program that cannot use IPv6, nor any other kind of network than IPv4: the kernel refuses it
// such sockets (a seccomp filter, which the program cannot take off again). Deno can deny networks of
// IPv4 addresses, however they are written, but not of IPv6 addresses.
//
//   deno run --allow-ffi ipv4_only.ts DENO ARGUMENTS…
//
// The program takes the place of this one. If the kernel takes no filter, it runs without a network.

/** What is special about the kernel's interface on each processor. */
const ARCHITECTURES = {
  x86_64: { audit: 0xc000003e, socket: 41 },
  aarch64: { audit: 0xc00000b7, socket: 198 },
} as const;
/** Local sockets, IPv4, and what the C library asks about the machine's own addresses. */
const AF_UNIX = 1;
const AF_INET = 2;
const AF_NETLINK = 16;
const EAFNOSUPPORT = 97;

const PR_SET_SECCOMP = 22;
const PR_SET_NO_NEW_PRIVS = 38;
const SECCOMP_MODE_FILTER = 2n;
const SECCOMP_RET_ALLOW = 0x7fff0000;
const SECCOMP_RET_ERRNO = 0x00050000;

const BPF_LOAD_WORD = 0x20;
const BPF_JUMP_IF_EQUAL = 0x15;
const BPF_RETURN = 0x06;
const INSTRUCTION_BYTES = 8;
/** Where a filter finds what about a call. */
const CALL_NUMBER = 0;
const CALL_ARCHITECTURE = 4;
const FIRST_ARGUMENT = 16;

type Bytes = Uint8Array<ArrayBuffer>;

const LIBC = {
  prctl: { parameters: ["i32", "u64", "pointer", "u64", "u64"], result: "i32" },
  execv: { parameters: ["pointer", "pointer"], result: "i32" },
} as const;

/** Code, steps to skip if true and if false, operand. Calls of another architecture are refused. */
function filter(): Bytes {
  const { audit, socket } = ARCHITECTURES[Deno.build.arch];
  const instructions: [number, number, number, number][] = [
    [BPF_LOAD_WORD, 0, 0, CALL_ARCHITECTURE],
    [BPF_JUMP_IF_EQUAL, 0, 7, audit],
    [BPF_LOAD_WORD, 0, 0, CALL_NUMBER],
    [BPF_JUMP_IF_EQUAL, 0, 4, socket],
    [BPF_LOAD_WORD, 0, 0, FIRST_ARGUMENT],
    [BPF_JUMP_IF_EQUAL, 2, 0, AF_UNIX],
    [BPF_JUMP_IF_EQUAL, 1, 0, AF_INET],
    [BPF_JUMP_IF_EQUAL, 0, 1, AF_NETLINK],
    [BPF_RETURN, 0, 0, SECCOMP_RET_ALLOW],
    [BPF_RETURN, 0, 0, SECCOMP_RET_ERRNO + EAFNOSUPPORT],
  ];
  const bytes = new Uint8Array(instructions.length * INSTRUCTION_BYTES);
  const view = new DataView(bytes.buffer);
  instructions.forEach(([code, ifTrue, ifFalse, operand], i) => {
    view.setUint16(i * INSTRUCTION_BYTES, code, true);
    view.setUint8(i * INSTRUCTION_BYTES + 2, ifTrue);
    view.setUint8(i * INSTRUCTION_BYTES + 3, ifFalse);
    view.setUint32(i * INSTRUCTION_BYTES + 4, operand, true);
  });
  return bytes;
}

function addressOf(bytes: Bytes): bigint {
  return Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes));
}

/** False: the kernel takes no filter. */
function refuseOtherNetworks(libc: Deno.DynamicLibrary<typeof LIBC>): boolean {
  const instructions = filter();
  const program = new Uint8Array(16);
  const view = new DataView(program.buffer);
  view.setUint16(0, instructions.length / INSTRUCTION_BYTES, true);
  view.setBigUint64(8, addressOf(instructions), true);
  const { prctl } = libc.symbols;
  return prctl(PR_SET_NO_NEW_PRIVS, 1n, null, 0n, 0n) === 0 &&
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, Deno.UnsafePointer.of(program), 0n, 0n) === 0;
}

/** Returns only if the program cannot be started. */
function execute(libc: Deno.DynamicLibrary<typeof LIBC>, command: readonly string[]): void {
  const texts = command.map((text) => new TextEncoder().encode(`${text}\0`));
  const pointers = new BigUint64Array(texts.length + 1);
  texts.forEach((text, i) => pointers[i] = addressOf(text));
  libc.symbols.execv(Deno.UnsafePointer.of(texts[0]!), Deno.UnsafePointer.of(pointers));
}

const libc = Deno.dlopen("libc.so.6", LIBC);
const isKept = refuseOtherNetworks(libc);
execute(libc, isKept ? Deno.args : Deno.args.filter((arg) => !arg.startsWith("--allow-net")));
throw new Error(`${Deno.args[0]} cannot be started`);
