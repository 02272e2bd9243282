// The messages of one channel, oldest at the top; older pages are loaded on demand.
import { usePaginatedQuery } from "convex/react";
import { useEffect, useRef } from "react";
import { api } from "../convex/_generated/api";
import type { Doc, Id } from "../convex/_generated/dataModel";

const PAGE_SIZE = 30;

export function MessageList(props: { channel: Id<"channels">; me: string }) {
  const { results, status, loadMore } = usePaginatedQuery(
    api.messages.list,
    { channel: props.channel },
    { initialNumItems: PAGE_SIZE },
  );
  const messages: Doc<"messages">[] = results;
  const end = useRef<HTMLDivElement>(null);
  const newest = messages[0]?._id;
  useEffect(() => {
    end.current?.scrollIntoView({ block: "end" });
  }, [newest]);

  return (
    <section className="messages" aria-live="polite">
      {status === "CanLoadMore" && (
        <button
          type="button"
          className="older"
          onClick={() => loadMore(PAGE_SIZE)}
        >
          Load older messages
        </button>
      )}
      {status === "LoadingFirstPage" && <p className="loading">Loading…</p>}
      {[...messages].reverse().map((message) => (
        <article key={message._id} className={message.author === props.me ? "mine" : ""}>
          <header>
            <b>{message.author}</b>{" "}
            <time>{new Date(message._creationTime).toLocaleTimeString()}</time>
          </header>
          <p>{message.body}</p>
        </article>
      ))}
      <div ref={end} />
    </section>
  );
}
