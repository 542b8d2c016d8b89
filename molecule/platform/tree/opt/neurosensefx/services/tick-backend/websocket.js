// The server's half of RFC 6455, without packages: handshake, frames, ping, close.
"use strict";

const crypto = require("node:crypto");
const { EventEmitter } = require("node:events");

const PROTOCOL_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const LARGEST_MESSAGE = 64 * 1024;
const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 };
const PROTOCOL_ERROR = 1002;
const TOO_BIG = 1009;

function acceptKey(key) {
  return crypto.createHash("sha1").update(key + PROTOCOL_GUID).digest("base64");
}

/** The reason why a request is no opening handshake, or an empty string. */
function handshakeProblem(request) {
  const header = (name) => String(request.headers[name] || "");
  if (request.method !== "GET") return "the method is not GET";
  if (header("upgrade").toLowerCase() !== "websocket") return "the Upgrade header does not name websocket";
  if (!/(^|,)\s*upgrade\s*(,|$)/i.test(header("connection"))) return "the Connection header does not name Upgrade";
  if (header("sec-websocket-version") !== "13") return "only version 13 is spoken here";
  if (Buffer.from(header("sec-websocket-key"), "base64").length !== 16) return "the key does not hold 16 bytes";
  return "";
}

/** One connection; emits `message` (text) and `end`. */
class WebSocketConnection extends EventEmitter {
  constructor(socket) {
    super();
    this.socket = socket;
    this.received = Buffer.alloc(0);
    this.fragments = [];
    socket.on("data", (data) => this.take(data));
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.emit("end"));
  }

  send(text) {
    this.sendFrame(OPCODE.text, Buffer.from(text));
  }

  sendFrame(opcode, payload) {
    const head = payload.length < 126 ? Buffer.from([0x80 | opcode, payload.length]) : Buffer.alloc(4);
    if (payload.length >= 126) {
      head[0] = 0x80 | opcode;
      head[1] = 126;
      head.writeUInt16BE(payload.length, 2);
    }
    this.socket.write(Buffer.concat([head, payload]));
  }

  end(code) {
    const payload = Buffer.alloc(2);
    payload.writeUInt16BE(code, 0);
    this.sendFrame(OPCODE.close, payload);
    this.socket.end();
  }

  take(data) {
    this.received = Buffer.concat([this.received, data]);
    for (let frame = this.nextFrame(); frame && !this.socket.writableEnded; frame = this.nextFrame()) {
      this.handle(frame);
    }
  }

  /** The next whole frame, or null when its rest has not come yet. */
  nextFrame() {
    const bytes = this.received;
    if (bytes.length < 2) return null;
    const masked = (bytes[1] & 0x80) !== 0;
    let length = bytes[1] & 0x7f;
    let position = 2;
    if (!masked || (bytes[0] & 0x70) !== 0) return this.refuse(PROTOCOL_ERROR);
    if (length === 127) return this.refuse(TOO_BIG);
    if (length === 126) {
      if (bytes.length < 4) return null;
      length = bytes.readUInt16BE(2);
      position = 4;
    }
    if (bytes.length < position + 4 + length) return null;
    const mask = bytes.subarray(position, position + 4);
    const payload = Buffer.from(bytes.subarray(position + 4, position + 4 + length));
    for (let index = 0; index < payload.length; index += 1) payload[index] ^= mask[index % 4];
    this.received = bytes.subarray(position + 4 + length);
    return { final: (bytes[0] & 0x80) !== 0, opcode: bytes[0] & 0x0f, payload };
  }

  refuse(code) {
    this.received = Buffer.alloc(0);
    this.end(code);
    return null;
  }

  handle({ final, opcode, payload }) {
    if (opcode === OPCODE.ping) return this.sendFrame(OPCODE.pong, payload);
    if (opcode === OPCODE.pong) return undefined;
    if (opcode === OPCODE.close) {
      this.sendFrame(OPCODE.close, payload);
      return this.socket.end();
    }
    if (opcode > OPCODE.binary) return this.end(PROTOCOL_ERROR);
    this.fragments.push(payload);
    if (this.fragments.reduce((sum, part) => sum + part.length, 0) > LARGEST_MESSAGE) return this.end(TOO_BIG);
    if (!final) return undefined;
    const message = Buffer.concat(this.fragments).toString("utf8");
    this.fragments = [];
    return this.emit("message", message);
  }
}

module.exports = { WebSocketConnection, acceptKey, handshakeProblem };
