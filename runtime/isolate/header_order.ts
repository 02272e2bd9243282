// `Headers` are walked in the order in which they were added, each by itself, as on the platform (spec
// function-runtime 4): the web's standard sorts them and joins those of one name.

/** Under which Deno keeps name and value of each header, as they were added. */
const LIST = Object.getOwnPropertySymbols(new Headers())
  .find(({ description }) => description === "header list");

type Entry = [name: string, value: string];

/** @throws Error when this version of Deno keeps headers otherwise */
export function keepHeaderOrder(): void {
  if (LIST === undefined) throw new Error("Deno no longer keeps a list of headers");
  const list = LIST;
  const { prototype } = Headers;
  const nativeGet = prototype.get;
  const entriesOf = (headers: Headers): Entry[] => {
    // Throws for what are no headers.
    nativeGet.call(headers, "accept");
    const kept = (headers as unknown as Record<symbol, Entry[]>)[list]!;
    return kept.map(([name, value]) => [name.toLowerCase(), value]);
  };
  const methods = {
    entries(this: Headers) {
      return entriesOf(this).values();
    },
    keys(this: Headers) {
      return entriesOf(this).map(([name]) => name).values();
    },
    values(this: Headers) {
      return entriesOf(this).map(([, value]) => value).values();
    },
    forEach(
      this: Headers,
      callback: (value: string, name: string, headers: Headers) => void,
      thisArgument?: unknown,
    ) {
      for (const [name, value] of entriesOf(this)) callback.call(thisArgument, value, name, this);
    },
  };
  for (const [name, value] of Object.entries(methods)) replace(prototype, name, value);
  replace(prototype, Symbol.iterator, methods.entries);
}

function replace(prototype: Headers, name: PropertyKey, value: unknown): void {
  const descriptor = Object.getOwnPropertyDescriptor(prototype, name);
  Object.defineProperty(prototype, name, { ...descriptor, value });
}
