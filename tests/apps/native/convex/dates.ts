// Work with a package that requires files whose names it makes up at run time.
"use node";
import moment from "moment";
import { actionGeneric as action } from "convex/server";

export const inFrench = action({
  // deno-lint-ignore require-await
  handler: async () => moment.utc(0).locale("fr").format("dddd D MMMM YYYY"),
});
