// An npm registry with one package, whose archive contains links out of its directory.
import { createHash } from "node:crypto";

export const LINKING_PACKAGE = "concave-test-links";
export const LINKING_VERSION = "1.0.0";

/** Types of archive members (POSIX ustar). */
const FILE = "0";
const HARD_LINK = "1";
const SYMBOLIC_LINK = "2";
const BLOCK_BYTES = 512;

type Member = readonly [type: string, name: string, content: string];

const MEMBERS: readonly Member[] = [
  [FILE, "package.json", JSON.stringify({ name: LINKING_PACKAGE, version: LINKING_VERSION })],
  [FILE, "index.js", "module.exports = 1;"],
  [SYMBOLIC_LINK, "secret", "/etc/passwd"],
  [SYMBOLIC_LINK, "up", "../".repeat(20)],
  [HARD_LINK, "hard", "/etc/passwd"],
];

export class LinkRegistry implements AsyncDisposable {
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  private constructor(archive: Uint8Array<ArrayBuffer>) {
    const integrity = `sha512-${createHash("sha512").update(archive).digest("base64")}`;
    this.#server = Deno.serve({ port: 0, onListen: () => {} }, (request) => {
      if (new URL(request.url).pathname.endsWith(".tgz")) return new Response(archive);
      const dist = { tarball: `${this.url}/${LINKING_PACKAGE}.tgz`, integrity };
      const version = { name: LINKING_PACKAGE, version: LINKING_VERSION, dist };
      return Response.json({
        name: LINKING_PACKAGE,
        "dist-tags": { latest: LINKING_VERSION },
        versions: { [LINKING_VERSION]: version },
      });
    });
  }

  static async start(): Promise<LinkRegistry> {
    const packed = new Blob([...MEMBERS.map(member), new Uint8Array(2 * BLOCK_BYTES)]).stream()
      .pipeThrough(new CompressionStream("gzip"));
    return new LinkRegistry(await new Response(packed).bytes());
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

/** Header and content of one member, in whole blocks. */
function member([type, name, content]: Member): Uint8Array<ArrayBuffer> {
  const text = new TextEncoder();
  const bytes = text.encode(type === FILE ? content : "");
  const block = new Uint8Array(
    BLOCK_BYTES + Math.ceil(bytes.length / BLOCK_BYTES) * BLOCK_BYTES,
  );
  const put = (at: number, value: string) => block.set(text.encode(value), at);
  put(0, `package/${name}`);
  put(100, "0000644\0");
  put(108, "0000000\0");
  put(116, "0000000\0");
  put(124, `${bytes.length.toString(8).padStart(11, "0")}\0`);
  put(136, "00000000000\0");
  put(148, "        ");
  put(156, type);
  if (type !== FILE) put(157, content);
  put(257, "ustar\u000000");
  const sum = block.reduce((total, byte) => total + byte, 0);
  put(148, `${sum.toString(8).padStart(6, "0")}\0 `);
  block.set(bytes, BLOCK_BYTES);
  return block;
}
