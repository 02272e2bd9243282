// @convex-dev/prosemirror-sync: documents that several editors change at a time.
import { ProsemirrorSync } from "@convex-dev/prosemirror-sync";
import { Schema } from "@tiptap/pm/model";
import { Transform } from "@tiptap/pm/transform";
import { v } from "convex/values";
import { components } from "./_generated/api";
import { action, mutation } from "./_generated/server";

const documents = new ProsemirrorSync(components.prosemirrorSync);
const READ_ONLY_PREFIX = "locked ";

const schema = new Schema({
  nodes: {
    doc: { content: "paragraph+" },
    paragraph: { content: "text*" },
    text: {},
  },
});

export const { getSnapshot, submitSnapshot, latestVersion, getSteps, submitSteps } = documents
  .syncApi({
    checkWrite: (_ctx, id) => {
      if (id.startsWith(READ_ONLY_PREFIX)) throw new Error("This document is locked");
    },
  });

export const create = mutation({
  args: { id: v.string(), text: v.string() },
  handler: async (ctx, { id, text }) => {
    const paragraph = { type: "paragraph", content: [{ type: "text", text }] };
    await documents.create(ctx, id, { type: "doc", content: [paragraph] });
  },
});

/** The document's text as the server makes it of snapshot and steps. */
export const text = action({
  args: { id: v.string() },
  handler: async (ctx, { id }) => {
    const { doc, version } = await documents.getDoc(ctx, id, schema);
    return { text: doc.textContent, version };
  },
});

/** Writes at the beginning of a document, from the server. */
export const prepend = action({
  args: { id: v.string(), text: v.string() },
  handler: async (ctx, { id, text }) => {
    const doc = await documents.transform(
      ctx,
      id,
      schema,
      (doc) => new Transform(doc).insert(1, schema.text(text)),
    );
    return doc.textContent;
  },
});
