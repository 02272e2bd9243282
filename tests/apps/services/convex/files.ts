// Files from every kind of function that may.
import {
  actionGeneric as action,
  makeFunctionReference,
  mutationGeneric as mutation,
  queryGeneric as query,
} from "convex/server";
import { v } from "convex/values";

const storageId = v.id("_storage");

export const uploadUrl = mutation({
  args: {},
  handler: (ctx) => ctx.storage.generateUploadUrl(),
});

export const uploadUrlOfAction = action({
  args: {},
  handler: (ctx) => ctx.storage.generateUploadUrl(),
});

export const keep = mutation({
  args: { storageId, name: v.string() },
  handler: (ctx, args) => ctx.db.insert("files", args),
});

export const url = query({
  args: { storageId: v.string() },
  handler: (ctx, args) => ctx.storage.getUrl(args.storageId as never),
});

export const metadata = query({
  args: { storageId: v.string() },
  handler: (ctx, args) => ctx.storage.getMetadata(args.storageId as never),
});

export const document = query({
  args: { storageId },
  handler: (ctx, args) => ctx.db.system.get(args.storageId),
});

export const all = query({
  args: {},
  handler: (ctx) => ctx.db.system.query("_storage").collect(),
});

export const remove = mutation({
  args: { storageId: v.string() },
  handler: (ctx, args) => ctx.storage.delete(args.storageId as never),
});

/** What a mutation sees of a file before and after it deletes it. */
export const lookAndRemove = mutation({
  args: { storageId },
  handler: async (ctx, args) => {
    const look = async () => [
      await ctx.storage.getUrl(args.storageId),
      (await ctx.storage.getMetadata(args.storageId))?.size ?? null,
      (await ctx.db.system.get(args.storageId))?.size ?? null,
    ];
    const before = await look();
    await ctx.storage.delete(args.storageId);
    return { before, after: await look() };
  },
});

export const removeAndFail = mutation({
  args: { storageId },
  handler: async (ctx, args) => {
    await ctx.storage.delete(args.storageId);
    if (await ctx.storage.getUrl(args.storageId) !== null) throw new Error("still there");
    throw new Error("undo");
  },
});

export const store = action({
  args: { bytes: v.bytes(), type: v.string(), sha256: v.optional(v.string()) },
  handler: async (ctx, { bytes, type, sha256 }) => {
    const blob = new Blob([bytes], { type });
    const id = await ctx.storage.store(blob, sha256 === undefined ? undefined : { sha256 });
    return { id, url: await ctx.storage.getUrl(id), metadata: await ctx.storage.getMetadata(id) };
  },
});

export const storeText = action({
  args: {},
  handler: (ctx) => ctx.storage.store("text" as never),
});

export const read = action({
  args: { storageId: v.string() },
  handler: async (ctx, args) => {
    const blob = await ctx.storage.get(args.storageId as never);
    if (blob === null) return null;
    return { bytes: await blob.arrayBuffer(), type: blob.type };
  },
});

/** Writes a file of that many bytes and reads it again. */
export const roundTrip = action({
  args: { size: v.number() },
  handler: async (ctx, { size }) => {
    const bytes = new Uint8Array(size);
    for (let i = 0; i < size; i += 4096) bytes[i] = i / 4096;
    const id = await ctx.storage.store(new Blob([bytes]));
    const back = new Uint8Array(await (await ctx.storage.get(id))!.arrayBuffer());
    await ctx.storage.delete(id);
    return back.length === size && back.every((byte, i) => byte === bytes[i]);
  },
});

export const removeByAction = action({
  args: { storageId },
  handler: (ctx, args) => ctx.storage.delete(args.storageId),
});

/** Stores a file and gets it again, in one mutation; `after`: what happens then. */
export const storeInMutation = mutation({
  args: {
    bytes: v.bytes(),
    type: v.string(),
    sha256: v.optional(v.string()),
    after: v.optional(v.union(v.literal("throw"), v.literal("delete"))),
  },
  handler: async (ctx, { bytes, type, sha256, after }) => {
    const blob = new Blob([bytes], { type });
    const id = await ctx.storage.store(blob, sha256 === undefined ? undefined : { sha256 });
    const back = await ctx.storage.get(id);
    if (after === "throw") throw new Error("undo");
    if (after === "delete") await ctx.storage.delete(id);
    const { filesWritten, fileWriteBytes, filesRead, fileReadBytes } = await ctx.meta
      .getTransactionMetrics();
    return {
      id,
      bytes: await back!.arrayBuffer(),
      type: back!.type,
      url: await ctx.storage.getUrl(id),
      used: [filesWritten, fileWriteBytes, filesRead, fileReadBytes].map(({ used }) => used),
    };
  },
});

export const getInMutation = mutation({
  args: { storageId: v.string() },
  handler: async (ctx, args) => {
    const blob = await ctx.storage.get(args.storageId as never);
    return blob && { text: await blob.text(), type: blob.type };
  },
});

/** A nested mutation that fails takes its file with it; the caller's own stays. */
export const storeAndRollBack = mutation({
  args: {},
  handler: async (ctx) => {
    const kept = await ctx.storage.store(new Blob(["kept"]));
    const failing = makeFunctionReference<"mutation">("files:storeInMutation");
    const bytes = new TextEncoder().encode("rolled back").buffer;
    const failed = await ctx.runMutation(failing, { bytes, type: "", after: "throw" })
      .then(() => false, () => true);
    return { kept, failed, files: await ctx.db.system.query("_storage").collect() };
  },
});

/** Adds to a counter that all callers share, and stores a file each time. */
export const storeAndCount = mutation({
  args: {},
  handler: async (ctx) => {
    const row = await ctx.db.query("counts").first();
    const id = await ctx.storage.store(new Blob([String(row?.n ?? 0)]));
    if (row === null) await ctx.db.insert("counts", { n: 1 });
    else await ctx.db.patch(row._id, { n: row.n + 1 });
    return id;
  },
});
