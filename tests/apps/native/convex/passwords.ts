// Work with an add-on that was made with napi-rs.
"use node";
import { hash, verify } from "@node-rs/argon2";
import { actionGeneric as action } from "convex/server";

export const check = action({
  handler: async () => {
    const hashed = await hash("correct horse");
    return {
      kind: hashed.split("$")[1],
      right: await verify(hashed, "correct horse"),
      wrong: await verify(hashed, "battery staple"),
    };
  },
});
