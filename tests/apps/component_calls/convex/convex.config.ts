// `first` and `second` are one definition; `outer` holds a box of its own, which holds another.
import { defineApp } from "convex/server";
import { v } from "convex/values";
import box from "./box/convex.config.ts";
import outer from "./outer/convex.config.ts";

const app = defineApp({ env: { APP_KEY: v.optional(v.string()) } });
app.use(box, {
  name: "first",
  httpPrefix: "/first/",
  env: { KIND: "literal", SHARED: app.env.APP_KEY },
});
app.use(box, { name: "second" });
app.use(outer, { httpPrefix: "/outer/" });
export default app;
