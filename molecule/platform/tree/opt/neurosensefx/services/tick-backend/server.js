// tick-backend: GET /health and a WebSocket on one port. Passes the upstream's ticks on to every WebSocket client.
"use strict";

const fs = require("node:fs");
const http = require("node:http");
const os = require("node:os");
const { CTraderConnection } = require("ctrader-layer");
const { postgresqlValue, redisKeys } = require("./databases");
const { LogFile } = require("./log_file");
const { orderedFaults } = require("./faults");
const { WebSocketConnection, acceptKey, handshakeProblem } = require("./websocket");

const settings = {
  host: process.env.BACKEND_HOST || "127.0.0.1",
  port: Number(process.env.BACKEND_PORT || 8081),
  log: process.env.BACKEND_LOG || "/opt/neurosensefx/logs/backend.log",
  upstream: {
    host: process.env.UPSTREAM_HOST || "live.ctraderapi.com",
    port: Number(process.env.UPSTREAM_PORT || 5035),
    ca: process.env.UPSTREAM_CA ? fs.readFileSync(process.env.UPSTREAM_CA) : undefined,
  },
  database: {
    socket: process.env.DATABASE_SOCKET || "/run/postgresql/.s.PGSQL.5432",
    user: os.userInfo().username,
    database: process.env.DATABASE_NAME || "neurosense",
  },
  cachePort: Number(process.env.CACHE_PORT || 6379),
};

const log = new LogFile(settings.log);
const upstream = new CTraderConnection(settings.upstream);
const clients = new Set();
let ticks = 0;

/** What a promise gives, or its error in words; never a rejection. */
const settled = (promise) => promise.catch((error) => `error: ${error.message}`);

async function health() {
  const [ticksInDatabase, keysInCache] = await Promise.all([
    settled(postgresqlValue(settings.database, "select count(*) from ticks").then(Number)),
    settled(redisKeys(settings.cachePort)),
  ]);
  const missing = [
    !upstream.connected && "upstream",
    typeof ticksInDatabase !== "number" && "database",
    typeof keysInCache !== "number" && "cache",
  ].filter(Boolean);
  return {
    service: "tick-backend",
    status: missing.length === 0 ? "ok" : `no ${missing.join(", no ")}`,
    ticks_in_database: ticksInDatabase,
    keys_in_cache: keysInCache,
    upstream: `${settings.upstream.host}:${settings.upstream.port}`,
    last_tick: upstream.lastTick && upstream.lastTick.toISOString(),
    clients: clients.size,
    lost_log_lines: log.lostLines,
    uptime_seconds: Math.round(process.uptime()),
  };
}

function answer(request, response) {
  const send = (status, body) => {
    log.write(`${request.method} ${JSON.stringify(request.url)} ${status}`);
    response.writeHead(status, { "content-type": "application/json" });
    response.end(`${JSON.stringify(body)}\n`);
  };
  if (request.url !== "/health") {
    send(404, { error: "not found" });
    return;
  }
  const faults = orderedFaults();
  const delay = (faults.health_delay_seconds || 0) * 1000;
  setTimeout(async () => {
    const found = await health();
    send(faults.health_status || (found.status === "ok" ? 200 : 503), found);
  }, delay);
}

function upgrade(request, socket, head) {
  const problem = handshakeProblem(request);
  if (problem) {
    socket.end(`HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain\r\n\r\n${problem}\n`);
    return;
  }
  const accept = orderedFaults().websocket_accept || acceptKey(request.headers["sec-websocket-key"]);
  socket.write(
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
      `Sec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
  const client = new WebSocketConnection(socket);
  clients.add(client);
  client.on("end", () => clients.delete(client));
  client.on("message", (text) => client.send(JSON.stringify({ received: text })));
  if (head.length > 0) client.take(head);
}

upstream.on("connected", () => log.write("Connected to cTrader"));
upstream.on("disconnected", (reason) => log.write(`Disconnected from cTrader: ${reason}`));
upstream.on("tick", (tick) => {
  ticks += 1;
  log.write(`tick ${ticks}: ${tick.symbol} ${tick.bid}`);
  for (const client of clients) client.send(JSON.stringify(tick));
});
upstream.open();

const server = http.createServer(answer);
server.on("upgrade", upgrade);
server.listen(settings.port, settings.host, () => log.write(`listening on ${settings.host}:${settings.port}`));

for (const signal of ["SIGTERM", "SIGINT"]) {
  process.on(signal, () => {
    log.write(`ended by ${signal}`);
    process.exit(0);
  });
}
