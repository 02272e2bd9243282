// Queries and writes as the tests describe them, so that every form of them can be tried.
import { mutationGeneric, queryGeneric } from "convex/server";
import { v } from "convex/values";

/** `["field", "a.b"]`, `["missing"]`, `["eq", left, right]`, …; anything else is itself. */
type Expression = readonly [string, ...unknown[]] | unknown;

interface Selection {
  readonly table: string;
  readonly system?: boolean;
  readonly index?: string;
  /** Conditions on the index; one without a value compares with `undefined`. */
  readonly range?: readonly (readonly [operator: string, field: string, value?: unknown])[];
  readonly order?: "asc" | "desc";
  readonly filter?: Expression;
  readonly end: "collect" | "first" | "unique" | "iterate" | number;
}

// deno-lint-ignore no-explicit-any -- methods are chosen by name
type Dynamic = any;

function evaluate(q: Dynamic, expression: Expression): Dynamic {
  if (!Array.isArray(expression)) return expression;
  const [operator, ...operands] = expression;
  if (operator === "field") return q.field(operands[0]);
  if (operator === "missing") return undefined;
  return q[operator](...operands.map((operand) => evaluate(q, operand)));
}

function source(db: Dynamic, { table, system, index, range = [], order, filter }: Selection) {
  let query = (system ? db.system : db).query(table);
  if (index !== undefined) {
    query = query.withIndex(
      index,
      (q: Dynamic) =>
        range.reduce((bounds, [operator, field, value]) => bounds[operator](field, value), q),
    );
  }
  if (order !== undefined) query = query.order(order);
  if (filter !== undefined) query = query.filter((q: Dynamic) => evaluate(q, filter));
  return query;
}

async function run(db: Dynamic, selection: Selection): Promise<unknown> {
  const { end } = selection;
  const query = source(db, selection);
  if (typeof end === "number") return await query.take(end);
  if (end !== "iterate") return await query[end]();
  const rows = [];
  for await (const row of query) rows.push(row);
  return rows;
}

const described = { args: { selection: v.any() } };

export const select = queryGeneric({
  ...described,
  handler: (ctx, { selection }) => run(ctx.db, selection),
});

/** Pages of the selection; `again` paginates a second time. */
export const page = queryGeneric({
  args: { selection: v.any(), paginationOpts: v.any(), again: v.optional(v.boolean()) },
  handler: async (ctx, { selection, paginationOpts, again }) => {
    const page = await source(ctx.db, selection).paginate(paginationOpts);
    if (again) await source(ctx.db, selection).paginate(paginationOpts);
    return page;
  },
});

/** The rows of a group, for `usePaginatedQuery`. */
export const group = queryGeneric({
  args: { group: v.string(), paginationOpts: v.any() },
  handler: (ctx, { group, paginationOpts }) =>
    source(ctx.db, { table: "rows", index: "by_group", range: [["eq", "group", group]], end: 0 })
      .paginate(paginationOpts),
});

export const get = queryGeneric({
  args: { id: v.string(), table: v.optional(v.string()), system: v.optional(v.boolean()) },
  handler: (ctx, { id, table, system }) => {
    const db: Dynamic = system ? ctx.db.system : ctx.db;
    return table === undefined ? db.get(id) : db.get(table, id);
  },
});

export const normalizeId = queryGeneric({
  args: { table: v.string(), id: v.string() },
  handler: (ctx, { table, id }) => ctx.db.normalizeId(table, id),
});

/**
 * Executes steps in order and returns their results: `["insert", table, value]`, `["patch", id, value,
 * fields to remove]`, `["replace", id, value]`, `["delete", id]`, `["select", selection]`. An id `"#n"` is the
 * result of step n. `"try"` before a step returns the error's message.
 */
export const write = mutationGeneric({
  args: { steps: v.any() },
  handler: async ({ db }, { steps }) => {
    const results: unknown[] = [];
    for (const step of steps) {
      const [first, ...rest] = step;
      if (first !== "try") results.push(await execute(db, step, results));
      else results.push(await execute(db, rest, results).catch((error) => error.message));
    }
    return results;
  },
});

async function execute(
  db: Dynamic,
  [operation, target, value, removed = []]: Dynamic,
  results: readonly unknown[],
): Promise<unknown> {
  if (operation === "select") return await run(db, target);
  if (operation === "insert") return await db.insert(target, value);
  const id = /^#\d+$/.test(target) ? results[Number(target.slice(1))] : target;
  if (operation === "get") return await db.get(id);
  if (operation === "delete") return await db.delete(id) ?? null;
  const gone = Object.fromEntries(removed.map((field: string) => [field, undefined]));
  return await db[operation](id, { ...value, ...gone }) ?? null;
}

/** Moves a row of the group: a page that loses it and a page that gains it change together. */
export const move = mutationGeneric({
  args: { group: v.string(), from: v.number(), to: v.number() },
  handler: async (ctx, { group, from, to }) => {
    const range = [["eq", "group", group], ["gte", "value", from]] as const;
    const row = await source(ctx.db, { table: "rows", index: "by_group", range, end: 0 }).first();
    if (row === null) return;
    await ctx.db.delete(row._id);
    await ctx.db.insert("rows", { group, value: to });
  },
});
