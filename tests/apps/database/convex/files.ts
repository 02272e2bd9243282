// A file, so that a virtual table has something in it.
import { mutationGeneric } from "convex/server";

export const uploadUrl = mutationGeneric({
  args: {},
  handler: (ctx) => ctx.storage.generateUploadUrl(),
});
