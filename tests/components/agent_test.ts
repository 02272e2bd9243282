// @convex-dev/agent in a pushed app, with language models that are objects of the app.
import assert from "node:assert/strict";
import { action, httpClient, LiveClient, mutation, query } from "../harness/clients.ts";
import { serverWithApp } from "../harness/pushed_app.ts";
import type { Server } from "../harness/server.ts";

const APP = "tests/apps/components";
const FIRST_PAGE = { cursor: null, numItems: 20 };

interface Message {
  readonly order: number;
  readonly stepOrder: number;
  readonly status: string;
  readonly tool: boolean;
  readonly message: { readonly role: string };
  readonly text?: string;
  readonly error?: string;
}

interface Stream {
  readonly streamId: string;
  readonly order: number;
  readonly status: string;
}

interface MessagesPage {
  readonly page: readonly Message[];
  readonly isDone: boolean;
  readonly continueCursor: string;
  readonly streams?: {
    readonly messages?: readonly Stream[];
    readonly deltas?: readonly { readonly parts: readonly { readonly delta?: string }[] }[];
  };
}

async function createThread(server: Server, title = "Larder"): Promise<string> {
  return await httpClient(server).mutation(mutation("assistant:createThread"), {
    userId: "ann",
    title,
  });
}

/** The text of the words that have been streamed so far. */
function streamedText({ streams }: MessagesPage): string {
  const parts = streams?.deltas?.flatMap((delta) => delta.parts) ?? [];
  return parts.map((part) => part.delta ?? "").join("");
}

Deno.test("agent: a tool called by the model changes the database, and every message is kept", async () => {
  await using server = await serverWithApp(APP);
  const client = httpClient(server);
  await client.mutation(mutation("assistant:stock"), { item: "apples", count: 5 });
  const threadId = await createThread(server);
  const ask = (prompt: string) => client.action(action("assistant:ask"), { threadId, prompt });

  assert.deepEqual(await ask("take 2 apples"), {
    text: 'Question 1: {"type":"text","value":"3 apples left"}',
    steps: 2,
  });
  // The model is told what was said in the thread before.
  assert.deepEqual(await ask("take 1 apples"), {
    text: 'Question 2: {"type":"text","value":"2 apples left"}',
    steps: 2,
  });
  await assert.rejects(ask("fly away"), /the model does not understand "fly away"/);

  const pages: MessagesPage[] = [];
  for (let cursor: string | null = null; !pages.at(-1)?.isDone;) {
    const paginationOpts = { cursor, numItems: 3 };
    pages.push(await client.query(query("assistant:messages"), { threadId, paginationOpts }));
    cursor = pages.at(-1)!.continueCursor;
  }
  assert.deepEqual(pages.map(({ page }) => page.length > 0), [true, true, true, true]);
  const messages = pages.flatMap(({ page }) => page);
  assert.deepEqual(
    messages.map((each) => [each.order, each.message.role, each.status, each.text ?? each.error]),
    [
      [2, "assistant", "failed", 'the model does not understand "fly away"'],
      [2, "user", "success", "fly away"],
      [1, "assistant", "success", 'Question 2: {"type":"text","value":"2 apples left"}'],
      [1, "tool", "success", undefined],
      [1, "assistant", "success", undefined],
      [1, "user", "success", "take 1 apples"],
      [0, "assistant", "success", 'Question 1: {"type":"text","value":"3 apples left"}'],
      [0, "tool", "success", undefined],
      [0, "assistant", "success", undefined],
      [0, "user", "success", "take 2 apples"],
    ],
  );
  assert.deepEqual(
    (await client.query(query("assistant:chat"), { threadId, paginationOpts: FIRST_PAGE }))
      .slice(0, 2),
    [
      { role: "user", text: "take 2 apples" },
      { role: "assistant", text: 'Question 1: {"type":"text","value":"3 apples left"}' },
    ],
  );
});

/** The model speaks, a client has seen its first words, and it waits until it may proceed. */
async function startTelling(client: LiveClient, threadId: string) {
  const args = { threadId, paginationOpts: FIRST_PAGE };
  const list = client.watch("assistant:messages", { ...args, streamArgs: { kind: "list" } });
  const told = client.action(action("assistant:tell"), { threadId });
  const speaking = await list.until((result) =>
    (result as MessagesPage).streams?.messages?.length === 1
  ) as MessagesPage;
  const { order, streamId, status } = speaking.streams!.messages![0]!;
  assert.equal(status, "streaming");
  const deltas = client.watch("assistant:messages", {
    ...args,
    streamArgs: { kind: "deltas", cursors: [{ streamId, cursor: 0 }] },
  });
  await deltas.until((result) => streamedText(result as MessagesPage) === "Once upon a time. ");
  return { list, told, order };
}

Deno.test("agent: clients see streamed text while the model still speaks", async () => {
  await using server = await serverWithApp(APP);
  await using client = new LiveClient(server);
  const threadId = await createThread(server);
  const { list, told } = await startTelling(client, threadId);

  await client.mutation(mutation("assistant:proceed"), { threadId });
  assert.equal(await told, "Once upon a time. The end.");
  const { page } = await list.until((result) =>
    (result as MessagesPage).streams?.messages?.length === 0
  ) as MessagesPage;
  assert.deepEqual(
    page.map(({ message, status, text }) => [message.role, status, text]),
    [["assistant", "success", "Once upon a time. The end."], ["user", "success", "tell"]],
  );
});

Deno.test("agent: a stream that a client aborts ends as failed with what was said", async () => {
  await using server = await serverWithApp(APP);
  await using client = new LiveClient(server);
  const threadId = await createThread(server);
  const { list, told, order } = await startTelling(client, threadId);

  assert.equal(await client.mutation(mutation("assistant:stopTelling"), { threadId, order }), true);
  await client.mutation(mutation("assistant:proceed"), { threadId });
  await told;
  const { page } = await list.until((result) =>
    (result as MessagesPage).page[0]?.message.role === "assistant"
  ) as MessagesPage;
  assert.deepEqual(
    [page[0]!.status, page[0]!.text],
    ["failed", "Once upon a time. "],
  );
});

Deno.test("agent: threads are listed for their user, and deleted with all messages", async () => {
  await using server = await serverWithApp(APP);
  await using client = new LiveClient(server);
  await client.mutation(mutation("assistant:stock"), { item: "pears", count: 1 });
  const [first, second] = [await createThread(server, "one"), await createThread(server, "two")];
  await client.action(action("assistant:ask"), { threadId: first, prompt: "take 1 pears" });
  const titles = async (userId: string) => {
    const args = { userId, paginationOpts: FIRST_PAGE };
    const { page } = await client.query(query("assistant:threads"), args);
    return page.map((thread: { title: string }) => thread.title).sort();
  };
  assert.deepEqual(await titles("ann"), ["one", "two"]);
  assert.deepEqual(await titles("bob"), []);

  const messages = client.watch("assistant:messages", {
    threadId: first,
    paginationOpts: FIRST_PAGE,
  });
  await messages.until((result) => (result as MessagesPage).page.length === 4);
  await client.mutation(mutation("assistant:deleteThread"), { threadId: first });
  await messages.until((result) => (result as MessagesPage).page.length === 0);
  const threads = client.watch("assistant:threads", { userId: "ann", paginationOpts: FIRST_PAGE });
  const left = await threads.until((result) =>
    (result as { page: unknown[] }).page.length === 1
  ) as { page: { _id: string }[] };
  assert.equal(left.page[0]!._id, second);
});
