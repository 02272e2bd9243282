// The input line. A message shows up at once, before the server has answered (optimistic update).
import { insertAtTop, useAction, useMutation } from "convex/react";
import { type FormEvent, useState } from "react";
import { api } from "../convex/_generated/api";
import type { Id } from "../convex/_generated/dataModel";

export function Composer(
  props: { channel: Id<"channels">; channelName: string; author: string },
) {
  const [body, setBody] = useState("");
  const [error, setError] = useState<string | null>(null);
  const summarize = useAction(api.bot.summarize);
  const send = useMutation(api.messages.send).withOptimisticUpdate((store, args) => {
    insertAtTop({
      paginatedQuery: api.messages.list,
      argsToMatch: { channel: args.channel },
      localQueryStore: store,
      item: {
        _id: `pending-${crypto.randomUUID()}` as Id<"messages">,
        _creationTime: Date.now(),
        ...args,
      },
    });
  });

  const attempt = (work: Promise<unknown>) => {
    setError(null);
    work.catch((e) => setError(typeof e.data === "string" ? e.data : e.message));
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (body.trim() === "") return;
    attempt(send({ channel: props.channel, author: props.author, body }));
    setBody("");
  };

  return (
    <footer>
      {error && <p className="error" role="alert">{error}</p>}
      <form onSubmit={submit}>
        <input
          value={body}
          maxLength={1000}
          autoFocus
          placeholder={`Message #${props.channelName}`}
          aria-label="Message"
          onChange={(e) => setBody(e.target.value)}
        />
        <button type="submit">Send</button>
        <button
          type="button"
          className="quiet"
          onClick={() => attempt(summarize({ channel: props.channel }))}
        >
          Summarize
        </button>
      </form>
    </footer>
  );
}
