// What the transfer rows are compared with: a plain `node:http` server that makes the same transfer
// in one SQLite transaction each (WAL, synchronous=FULL), with prepared statements and no checks.
import http from "node:http";
import { DatabaseSync } from "node:sqlite";

const [path, port] = [Deno.args[0]!, Number(Deno.args[1])];
const ACCOUNTS = 10_000;

const database = new DatabaseSync(path);
database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
database.exec("CREATE TABLE accounts(id INTEGER PRIMARY KEY, balance REAL NOT NULL)");
database.exec("BEGIN");
const insert = database.prepare("INSERT INTO accounts VALUES (?, 1000)");
for (let id = 0; id < ACCOUNTS; id++) insert.run(id);
database.exec("COMMIT");
const read = database.prepare("SELECT balance FROM accounts WHERE id = ?");
const write = database.prepare("UPDATE accounts SET balance = ? WHERE id = ?");

function transfer(from: number, to: number, amount: number): void {
  database.exec("BEGIN IMMEDIATE");
  const source = read.get(from) as { balance: number };
  const target = read.get(to) as { balance: number };
  write.run(source.balance - amount, from);
  write.run(target.balance + amount, to);
  database.exec("COMMIT");
}

http.createServer((request, response) => {
  let body = "";
  request.on("data", (chunk) => body += chunk);
  request.on("end", () => {
    const { args } = JSON.parse(body);
    transfer(args.from, args.to, args.amount);
    response.setHeader("content-type", "application/json");
    response.end('{"status":"success","value":null}');
  });
}).listen(port, "127.0.0.1", () => console.log("ready"));
