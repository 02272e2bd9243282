// @convex-dev/better-auth: users with e-mail and password, whose sessions give them tokens for the
// functions of the app.
import { createClient, type GenericCtx } from "@convex-dev/better-auth";
import { convex } from "@convex-dev/better-auth/plugins";
import { betterAuth } from "better-auth/minimal";
import { v } from "convex/values";
import { components } from "./_generated/api";
import type { DataModel } from "./_generated/dataModel";
import { mutation, query } from "./_generated/server";
import authConfig from "./auth.config";

export const authComponent = createClient<DataModel>(components.betterAuth);

export const createAuth = (ctx: GenericCtx<DataModel>) =>
  betterAuth({
    baseURL: process.env.CONVEX_SITE_URL,
    secret: "a secret for the tests, longer than needed",
    database: authComponent.adapter(ctx),
    emailAndPassword: { enabled: true, requireEmailVerification: false },
    plugins: [convex({ authConfig })],
  });

/** The user record in the component of whoever calls; throws "Unauthenticated" for nobody. */
export const { getAuthUser } = authComponent.clientApi();

export const identity = query({
  args: {},
  handler: async (ctx) => await ctx.auth.getUserIdentity(),
});

/** Renames the caller through Better Auth's own server API, in the transaction of a mutation. */
export const rename = mutation({
  args: { name: v.string() },
  handler: async (ctx, body) => {
    const { auth, headers } = await authComponent.getAuth(createAuth, ctx);
    await auth.api.updateUser({ headers, body });
  },
});
