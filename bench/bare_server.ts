// What the HTTP action rows are compared with: `Deno.serve` with a handler that does nothing.
const port = Number(Deno.args[0]);
Deno.serve({
  hostname: "127.0.0.1",
  port,
  onListen: () => console.log("ready"),
}, () => new Response('{"status":"success"}'));
