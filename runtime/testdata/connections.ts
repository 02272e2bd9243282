// Tries to reach the addresses of its argument in every way that code in Node has, and says how it went.
import dgram from "node:dgram";
import http from "node:http";
import net from "node:net";

const { port, hosts } = JSON.parse(Deno.env.get("TARGETS")!) as { port: number; hosts: string[] };

/** "reached", or why not. */
async function outcome(attempt: Promise<unknown>): Promise<string> {
  return await attempt.then(() => "reached", (error) => `${error.name} ${error.code ?? ""}`.trim());
}

function connect(host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, host, () => {
      socket.destroy();
      resolve();
    });
    socket.on("error", reject);
  });
}

function request(host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    http.get({ host, port, agent: false }, (response) => {
      response.resume();
      response.on("end", resolve);
    }).on("error", reject);
  });
}

function send(host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const isIpv6 = host.includes(":");
    const socket = dgram.createSocket(isIpv6 ? "udp6" : "udp4");
    socket.on("error", reject);
    socket.bind(0, isIpv6 ? "::1" : "127.0.0.1", () => {
      socket.send("x", port, host, (error) => {
        socket.close();
        if (error) reject(error);
        else resolve();
      });
    });
  });
}

const outcomes: Record<string, string[]> = {};
for (const host of hosts) {
  const inUrl = host.includes(":") ? `[${host}]` : host;
  outcomes[host] = [
    await outcome(fetch(`http://${inUrl}:${port}/`).then((response) => response.text())),
    await outcome(connect(host)),
    await outcome(request(host)),
    await outcome(Deno.connect({ hostname: host, port }).then((connection) => connection.close())),
    await outcome(send(host)),
  ];
}
console.log(JSON.stringify(outcomes));
Deno.exit(0);
