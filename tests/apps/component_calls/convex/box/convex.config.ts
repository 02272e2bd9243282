// A small component that is installed several times.
import { defineComponent } from "convex/server";
import { v } from "convex/values";

export default defineComponent("box", {
  env: { KIND: v.optional(v.string()), SHARED: v.optional(v.string()) },
});
