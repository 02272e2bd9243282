// Sign-in with passwords by @convex-dev/auth, as its manual sets it up.
import { Password } from "@convex-dev/auth/providers/Password";
import { convexAuth } from "@convex-dev/auth/server";

export const { auth, signIn, signOut, store, isAuthenticated } = convexAuth({
  providers: [Password],
  jwt: {
    // The client asks for a new token 10 s before the end of the one it has,
    durationMs: 14_000,
    // and stops asking when it gets the same again, as from two signatures in one second.
    customClaims: () => Promise.resolve({ signedMs: Date.now() }),
  },
});
