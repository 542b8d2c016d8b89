// The connection to the upstream that sells the ticks: TLS, one JSON object per line, reconnects for ever.
"use strict";

const { EventEmitter } = require("node:events");
const tls = require("node:tls");

const RECONNECT_AFTER_MS = 1000;
const LONGEST_LINE = 64 * 1024;

/** Emits `connected`, `disconnected` (with the reason) and `tick` (with the parsed object). */
class CTraderConnection extends EventEmitter {
  constructor({ host, port, ca }) {
    super();
    this.options = { host, port, ca, servername: host };
    this.connected = null; // not known before the first attempt ended
    this.lastTick = null;
  }

  open() {
    const socket = tls.connect(this.options);
    let rest = "";
    let reason = "the upstream closed the connection";
    socket.setEncoding("utf8");
    socket.on("secureConnect", () => {
      this.connected = true;
      this.emit("connected");
    });
    socket.on("data", (text) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop();
      if (rest.length > LONGEST_LINE) {
        socket.destroy(new Error("a line of the upstream is too long"));
        return;
      }
      for (const line of lines) {
        this.take(line);
      }
    });
    socket.on("error", (error) => {
      reason = error.message;
    });
    socket.on("close", () => {
      if (this.connected !== false) this.emit("disconnected", reason); // once, and not for each further attempt
      this.connected = false;
      setTimeout(() => this.open(), RECONNECT_AFTER_MS);
    });
  }

  take(line) {
    let tick;
    try {
      tick = JSON.parse(line);
    } catch {
      return; // Not ours to repair; the next line may be whole.
    }
    this.lastTick = new Date();
    this.emit("tick", tick);
  }
}

module.exports = { CTraderConnection };
