// The app of the runtime's tests, with just enough of what the npm library does.

function register(kind) {
  return (handler) => {
    const fn = () => {};
    fn[`is${kind}`] = true;
    fn.isPublic = true;
    fn[`invoke${kind}`] = async (...parameters) => {
      const [args] = JSON.parse(parameters.at(-1));
      return JSON.stringify((await handler(args)) ?? null);
    };
    fn.exportArgs = () => '{"type":"any"}';
    fn.exportReturns = () => "null";
    fn._handler = handler;
    return fn;
  };
}
const query = register("Query");
const mutation = register("Mutation");
const action = register("Action");

const call = async (name, args) =>
  JSON.parse(await Convex.asyncSyscall(name, JSON.stringify(args)));
const get = (id) => call("1.0/get", { id, isSystem: false, version: "1.48.0" });
const insert = async (table, value) => (await call("1.0/insert", { table, value }))._id;
const patch = (id, value) => call("1.0/shallowMerge", { id, value });

export const create = mutation(() => insert("counters", { n: 0 }));
export const read = query(async ({ id }) => (await get(id)).n);
export const increment = mutation(async ({ id }) => {
  const { n } = await get(id);
  await patch(id, { n: n + 1 });
  return n + 1;
});
export const fail = mutation(async ({ id }) => {
  await patch(id, { n: -1 });
  throw new Error("no");
});
export const spin = mutation(async ({ id, ms }) => {
  const { n } = await get(id);
  let x = 0;
  for (let i = 0; i < ms * 100_000; i++) x = (x * 31 + i) | 0;
  await patch(id, { n: n + 1 + (x & 0) });
});
export const loop = mutation(async ({ id }) => {
  if (id) await patch(id, { n: -1 });
  for (;;);
});
export const loopQuery = query(() => {
  for (;;);
});
export const bomb = query(() => {
  for (const hoard = [];;) hoard.push(new Array(1000).fill(0));
});
export const viaAction = action(async ({ id }) => {
  const requestId = "";
  const name = "app:increment";
  const n = await call("1.0/actions/mutation", {
    name,
    args: { id },
    version: "1.48.0",
    requestId,
  });
  const read = await call("1.0/actions/query", {
    name: "app:read",
    args: { id },
    version: "1.48.0",
    requestId,
  });
  return [n, read];
});
export const stamp = mutation(async ({ id }) => {
  const before = (await get(id)).at ?? null;
  await patch(id, { at: { $commitTs: null } });
  return before;
});
export const stampedAt = mutation(async ({ id }) => {
  await patch(id, { at: { $commitTs: null } });
  return [{ $commitTs: null }];
});
