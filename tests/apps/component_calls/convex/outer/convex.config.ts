// A component with a box inside.
import { defineComponent } from "convex/server";
import box from "../box/convex.config.ts";

const outer = defineComponent("outer");
outer.use(box, { name: "inner", httpPrefix: "/inner/", env: { KIND: "of outer" } });
export default outer;
