// What convex-helpers adds to functions: custom builders, relationships, triggers, row-level security,
// filters, streams and zod validators.
import {
  type DataModelFromSchemaDefinition,
  type GenericMutationCtx,
  type GenericQueryCtx,
  type MutationBuilder,
  mutationGeneric,
  type QueryBuilder,
  queryGeneric,
} from "convex/server";
import { v } from "convex/values";
import { customCtx, customMutation, customQuery } from "convex-helpers/server/customFunctions";
import { filter } from "convex-helpers/server/filter";
import { getManyFrom, getOneFrom } from "convex-helpers/server/relationships";
import {
  type Rules,
  wrapDatabaseReader,
  wrapDatabaseWriter,
} from "convex-helpers/server/rowLevelSecurity";
import { mergedStream, stream } from "convex-helpers/server/stream";
import { Triggers } from "convex-helpers/server/triggers";
import { zCustomQuery, zid } from "convex-helpers/server/zod4";
import { z } from "zod";
import schema from "./schema.ts";

type DataModel = DataModelFromSchemaDefinition<typeof schema>;
type QueryCtx = GenericQueryCtx<DataModel>;
type MutationCtx = GenericMutationCtx<DataModel>;
const query = queryGeneric as QueryBuilder<DataModel, "public">;
const mutation = mutationGeneric as MutationBuilder<DataModel, "public">;

const triggers = new Triggers<DataModel, MutationCtx>();
triggers.register("posts", async (ctx, change) => {
  const author = (change.newDoc ?? change.oldDoc)!.author;
  const count = await getOneFrom(ctx.db, "counts", "author", author);
  const step = (change.newDoc ? 1 : 0) - (change.oldDoc ? 1 : 0);
  if (count === null) await ctx.db.insert("counts", { author, posts: step });
  else await ctx.db.patch(count._id, { posts: count.posts + step });
});
const mutationWithTriggers = customMutation(mutation, customCtx(triggers.wrapDB));

export const post = mutationWithTriggers({
  args: { author: v.string(), title: v.string(), secret: v.boolean() },
  handler: async (ctx, { author, ...fields }) => {
    const found = await filter(ctx.db.query("users"), (user) => user.name === author).first();
    const id = found?._id ?? await ctx.db.insert("users", { name: author });
    return await ctx.db.insert("posts", { author: id, ...fields });
  },
});

export const unpost = mutationWithTriggers({
  args: { id: v.id("posts") },
  handler: async (ctx, { id }) => {
    await ctx.db.delete(id);
    return null;
  },
});

interface Viewer {
  readonly user: DataModel["users"]["document"] | null;
}
const rules: Rules<Viewer, DataModel> = {
  posts: {
    read: ({ user }, post) => Promise.resolve(!post.secret || post.author === user?._id),
    modify: ({ user }, post) => Promise.resolve(post.author === user?._id),
  },
};

/** A query for a named user, who sees the secret posts of nobody else. */
const queryAs = customQuery(query, {
  args: { viewer: v.string() },
  input: async (ctx: QueryCtx, { viewer }) => {
    const user = await filter(ctx.db.query("users"), (row) => row.name === viewer).first();
    return { ctx: { db: wrapDatabaseReader({ user }, ctx.db, rules), user }, args: {} };
  },
});

/** A mutation by a named user, who changes the posts of nobody else. */
const mutationAs = customMutation(mutation, {
  args: { viewer: v.string() },
  input: async (ctx: MutationCtx, { viewer }) => {
    const user = await filter(ctx.db.query("users"), (row) => row.name === viewer).first();
    return { ctx: { db: wrapDatabaseWriter({ user }, ctx.db, rules) }, args: {} };
  },
});

export const rename = mutationAs({
  args: { id: v.id("posts"), title: v.string() },
  handler: async (ctx, { id, title }) => {
    await ctx.db.patch(id, { title });
    return null;
  },
});

export const visible = queryAs({
  args: { author: v.string() },
  handler: async (ctx, { author }) => {
    const user = await filter(ctx.db.query("users"), (row) => row.name === author).unique();
    const posts = await getManyFrom(ctx.db, "posts", "author", user!._id);
    return { viewer: ctx.user?.name ?? null, titles: posts.map(({ title }) => title) };
  },
});

export const count = query({
  args: { author: v.string() },
  handler: async (ctx, { author }) => {
    const user = await filter(ctx.db.query("users"), (row) => row.name === author).unique();
    return (await getOneFrom(ctx.db, "counts", "author", user!._id))?.posts ?? 0;
  },
});

/** Pages over the posts of several authors merged into one order. */
export const merged = query({
  args: { cursor: v.union(v.string(), v.null()) },
  handler: async (ctx, { cursor }) => {
    const users = await ctx.db.query("users").collect();
    const streams = users.map((user) =>
      stream(ctx.db, schema).query("posts").withIndex("author", (q) => q.eq("author", user._id))
    );
    const page = await mergedStream(streams, ["_creationTime"]).paginate({ numItems: 2, cursor });
    return {
      titles: page.page.map(({ title }) => title),
      cursor: page.continueCursor,
      done: page.isDone,
    };
  },
});

const zodQuery = zCustomQuery(query, {
  args: {},
  input: () => Promise.resolve({ ctx: {}, args: {} }),
});

export const zodChecked = zodQuery({
  args: { email: z.email(), post: zid("posts").optional() },
  returns: z.object({ domain: z.string() }),
  handler: (_ctx, { email }) => Promise.resolve({ domain: email.split("@")[1]! }),
});
