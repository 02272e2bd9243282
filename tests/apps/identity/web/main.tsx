// A page whose users sign in at a provider of their own; it shows their notes.
import {
  Authenticated,
  AuthLoading,
  ConvexProviderWithAuth,
  ConvexReactClient,
  Unauthenticated,
  useMutation,
  useQuery,
} from "convex/react";
import { makeFunctionReference } from "convex/server";
import { useSyncExternalStore } from "react";
import { createRoot } from "react-dom/client";
import { SignIn } from "./sign_in.ts";

interface Notes {
  readonly email: string;
  readonly notes: readonly string[];
}

const mine = makeFunctionReference<"query", Record<string, never>, Notes>("notes:mine");
const add = makeFunctionReference<"mutation", { text: string }>("notes:add");

const meta = (name: string) =>
  document.querySelector<HTMLMetaElement>(`meta[name="${name}"]`)!.content;

const signIn = new SignIn(meta("provider-url"));

function useSignIn() {
  const state = useSyncExternalStore(signIn.subscribe, () => signIn.state);
  return { ...state, fetchAccessToken: signIn.fetchAccessToken };
}

function MyNotes() {
  const notes = useQuery(mine, {});
  const addNote = useMutation(add);
  return (
    <main>
      <h1>{notes?.email}</h1>
      <ul>{notes?.notes.map((note) => <li key={note}>{note}</li>)}</ul>
      <button type="button" onClick={() => addNote({ text: "from the page" })}>Add</button>
      <button type="button" onClick={() => signIn.end()}>Sign out</button>
    </main>
  );
}

createRoot(document.getElementById("root")!).render(
  <ConvexProviderWithAuth client={new ConvexReactClient(meta("convex-url"))} useAuth={useSignIn}>
    <AuthLoading>Loading</AuthLoading>
    <Unauthenticated>
      <button type="button" onClick={() => signIn.begin()}>Sign in</button>
    </Unauthenticated>
    <Authenticated>
      <MyNotes />
    </Authenticated>
  </ConvexProviderWithAuth>,
);
