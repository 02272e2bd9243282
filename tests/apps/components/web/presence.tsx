// A page with the hook of @convex-dev/presence: who is in the room, as a list.
import usePresence from "@convex-dev/presence/react";
import { ConvexProvider, ConvexReactClient } from "convex/react";
import { anyApi } from "convex/server";
import { createElement } from "react";
import { createRoot } from "react-dom/client";

function meta(name: string): string {
  return document.querySelector<HTMLMetaElement>(`meta[name="${name}"]`)!.content;
}

function Room({ user }: { user: string }) {
  const present = usePresence(anyApi.presence, "lobby", user) ?? [];
  const lines = present.map(({ userId, online }) =>
    createElement("li", { key: userId }, `${userId} is ${online ? "here" : "away"}`)
  );
  return createElement("ul", null, lines);
}

const client = new ConvexReactClient(meta("convex-url"));
const user = new URLSearchParams(location.search).get("user")!;
createRoot(document.getElementById("root")!).render(
  createElement(ConvexProvider, { client }, createElement(Room, { user })),
);
