// Stands in for the company that sells the ticks, so that no test leaves the machine: TLS, one JSON object per line.
// Ten a second are a quiet market, and enough to keep a log being written while it is rotated.
"use strict";

const fs = require("node:fs");
const tls = require("node:tls");

const [, , certificate, key, port] = process.argv;
const sockets = new Set();
const PAUSE_MS = 100;

const server = tls.createServer({ cert: fs.readFileSync(certificate), key: fs.readFileSync(key) }, (socket) => {
  sockets.add(socket);
  socket.on("error", () => socket.destroy());
  socket.on("close", () => sockets.delete(socket));
});
server.on("tlsClientError", () => {}); // Port probes connect and leave: no reason to end.
server.listen(Number(port), "127.0.0.1");

setInterval(() => {
  const tick = { symbol: "EURUSD", bid: 1.08 + Math.random() / 1000, time: new Date().toISOString() };
  for (const socket of sockets) socket.write(`${JSON.stringify(tick)}\n`);
}, PAUSE_MS);
