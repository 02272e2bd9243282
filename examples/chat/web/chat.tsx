// The chat page: channels at the left, the messages of the open channel at the right.
import { useMutation, useQuery } from "convex/react";
import { type FormEvent, useEffect, useState } from "react";
import { api } from "../convex/_generated/api";
import type { Id } from "../convex/_generated/dataModel";
import { Composer } from "./composer";
import { MessageList } from "./message_list";

const FIRST_CHANNEL = "general";

export function Chat() {
  const channels = useQuery(api.channels.list, {});
  const openChannel = useMutation(api.channels.open);
  const [selected, setSelected] = useState<Id<"channels"> | null>(null);
  const [author, setAuthor] = useState(guestName);

  const noChannels = channels?.length === 0;
  useEffect(() => {
    if (noChannels) openChannel({ name: FIRST_CHANNEL });
  }, [noChannels, openChannel]);

  if (channels === undefined) return <p className="loading">Connecting…</p>;
  const current = channels.find((c) => c._id === selected) ?? channels[0];

  const addChannel = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = event.currentTarget;
    const name = String(new FormData(form).get("name"));
    if (name.trim() === "") return;
    setSelected(await openChannel({ name }));
    form.reset();
  };

  return (
    <div className="chat">
      <nav>
        <h1>Chat</h1>
        <ul>
          {channels.map((channel) => (
            <li key={channel._id}>
              <button
                type="button"
                className={channel._id === current?._id ? "current" : ""}
                onClick={() => setSelected(channel._id)}
              >
                # {channel.name} <small>{channel.messageCount}</small>
              </button>
            </li>
          ))}
        </ul>
        <form onSubmit={addChannel}>
          <input name="name" placeholder="New channel" maxLength={30} aria-label="New channel" />
        </form>
        <label>
          Your name
          <input value={author} maxLength={40} onChange={(e) => setAuthor(e.target.value)} />
        </label>
      </nav>
      {current && (
        <main key={current._id}>
          <MessageList channel={current._id} me={author} />
          <Composer channel={current._id} channelName={current.name} author={author} />
        </main>
      )}
    </div>
  );
}

/** A name for this tab, kept over reloads. */
function guestName(): string {
  const known = sessionStorage.getItem("name");
  if (known !== null) return known;
  const name = `Guest ${Math.floor(Math.random() * 900 + 100)}`;
  sessionStorage.setItem("name", name);
  return name;
}
