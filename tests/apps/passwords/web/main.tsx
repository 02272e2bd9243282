// A page to sign up, in and out with a password, and the notes of who is signed in.
import { ConvexAuthProvider, useAuthActions } from "@convex-dev/auth/react";
import {
  Authenticated,
  AuthLoading,
  ConvexReactClient,
  Unauthenticated,
  useMutation,
  useQuery,
} from "convex/react";
import { makeFunctionReference } from "convex/server";
import { type FormEvent, useState } from "react";
import { createRoot } from "react-dom/client";

interface Notes {
  readonly email: string;
  readonly notes: readonly string[];
}

const mine = makeFunctionReference<"query", Record<string, never>, Notes | null>("notes:mine");
const add = makeFunctionReference<"mutation", { text: string }>("notes:add");

function SignIn() {
  const { signIn } = useAuthActions();
  const [problem, setProblem] = useState("");
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const data = new FormData(event.currentTarget);
    const button = (event.nativeEvent as SubmitEvent).submitter as HTMLButtonElement;
    data.set("flow", button.value);
    setProblem("");
    await signIn("password", data).catch((error: Error) => setProblem(error.message));
  };
  return (
    <form onSubmit={submit}>
      <input name="email" aria-label="Email" />
      <input name="password" type="password" aria-label="Password" />
      <button type="submit" value="signUp">Sign up</button>
      <button type="submit" value="signIn">Sign in</button>
      <p role="alert">{problem}</p>
    </form>
  );
}

function MyNotes() {
  const { signOut } = useAuthActions();
  const addNote = useMutation(add);
  const notes = useQuery(mine, {});
  return (
    <main>
      <h1>{notes?.email}</h1>
      <ul>{notes?.notes.map((note) => <li key={note}>{note}</li>)}</ul>
      <button type="button" onClick={() => addNote({ text: "from the page" })}>Add</button>
      <button type="button" onClick={() => signOut()}>Sign out</button>
    </main>
  );
}

const url = document.querySelector<HTMLMetaElement>('meta[name="convex-url"]')!.content;

createRoot(document.getElementById("root")!).render(
  <ConvexAuthProvider client={new ConvexReactClient(url)}>
    <AuthLoading>Loading</AuthLoading>
    <Unauthenticated>
      <SignIn />
    </Unauthenticated>
    <Authenticated>
      <MyNotes />
    </Authenticated>
  </ConvexAuthProvider>,
);
