// The page's entry: one live connection for the whole page.
import { ConvexProvider, ConvexReactClient } from "convex/react";
import { createRoot } from "react-dom/client";
import { Chat } from "./chat";

const url = document.querySelector<HTMLMetaElement>('meta[name="convex-url"]')!.content;
const client = new ConvexReactClient(url);

createRoot(document.getElementById("root")!).render(
  <ConvexProvider client={client}>
    <Chat />
  </ConvexProvider>,
);
