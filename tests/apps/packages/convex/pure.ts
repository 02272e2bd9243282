// Packages that compute, each in a query: no network, no time of their own.
import { addBusinessDays, differenceInCalendarDays, format, parseISO } from "date-fns";
import { chunk, cloneDeep, debounce, groupBy, merge, orderBy, template } from "lodash-es";
import { customAlphabet, nanoid } from "nanoid";
import superjson from "superjson";
import { v1, v4, v5, v7, validate } from "uuid";
import { z } from "zod";
import { queryGeneric as query } from "convex/server";

const Order = z.object({
  id: z.uuid(),
  lines: z.array(z.object({ name: z.string().min(1), price: z.coerce.number().positive() })).min(1),
  kind: z.discriminatedUnion("type", [
    z.object({ type: z.literal("mail"), to: z.email() }),
    z.object({ type: z.literal("pickup"), at: z.iso.date() }),
  ]),
}).transform((order) => ({
  ...order,
  total: order.lines.reduce((sum, { price }) => sum + price, 0),
}));

export const zod = query({
  args: {},
  handler: () => {
    const good = Order.parse({
      id: "6f1c1e6c-9d0b-4c3a-8f5e-0a1b2c3d4e5f",
      lines: [{ name: "tea", price: "2.5" }, { name: "cup", price: 4 }],
      kind: { type: "mail", to: "a@example.com" },
    });
    const bad = Order.safeParse({ id: "1", lines: [], kind: { type: "pickup", at: "today" } });
    return {
      total: good.total,
      problems: bad.error!.issues.map((issue) => issue.path.join(".")),
      schema: Object.keys(z.toJSONSchema(z.object({ a: z.string(), b: z.int() })).properties!),
    };
  },
});

export const lodash = query({
  args: {},
  handler: () => {
    // Lodash takes its timers from the global object: making a debounced function uses none.
    const debounced = debounce(() => {}, 10);
    return {
      chunks: chunk([1, 2, 3, 4, 5], 2),
      groups: groupBy(["one", "two", "three"], "length"),
      merged: merge({ a: { b: 1 } }, { a: { c: 2 } }),
      ordered: orderBy([{ n: 2 }, { n: 3 }, { n: 1 }], ["n"], ["desc"]).map((
        { n }: { n: number },
      ) => n),
      clone: cloneDeep(new Map([["a", [1]]])).get("a"),
      debounced: typeof debounced.cancel,
    };
  },
});

/** Compiles its text with the function constructor, which the platform refuses. */
export const lodashTemplate = query({
  args: {},
  handler: () => template("<%= a %>")({ a: 1 }),
});

export const dates = query({
  args: {},
  handler: () => {
    const day = parseISO("2026-11-20T10:00:00Z");
    return {
      formatted: format(addBusinessDays(day, 2), "EEEE d MMMM yyyy HH:mm"),
      days: differenceInCalendarDays(parseISO("2027-01-01"), day),
    };
  },
});

export const ids = query({
  args: {},
  handler: () => ({
    versions: [v1(), v4(), v7()].map((id) => validate(id)),
    named: v5("concave.example", v5.DNS),
    sameTwice: v4() === v4(),
    nanoid: nanoid().length,
    alphabet: /^[ab]{30}$/.test(customAlphabet("ab", 30)()),
  }),
});

export const superJson = query({
  args: {},
  handler: () => {
    const value = {
      when: new Date(0),
      set: new Set([1, 2]),
      big: 10n,
      pattern: /a+/gi,
      none: undefined,
      map: new Map([["k", { deep: new Date(1) }]]),
    };
    const back = superjson.parse<typeof value>(superjson.stringify(value));
    return {
      when: back.when.toISOString(),
      set: [...back.set],
      big: back.big,
      pattern: String(back.pattern),
      none: "none" in back && back.none === undefined,
      deep: back.map.get("k")!.deep.getTime(),
    };
  },
});
