// What PostgreSQL and Redis say when they are asked one thing over their own protocols, without packages.
"use strict";

const net = require("node:net");

const TIMEOUT_MS = 2000;
const PROTOCOL_3 = 196608;

/** Talk over one connection; `take` gets all bytes so far and returns the answer, undefined for more, or throws. */
function ask(address, hello, take) {
  return new Promise((resolve, reject) => {
    let received = Buffer.alloc(0);
    const socket = net.connect(address, () => socket.write(hello));
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy(new Error("no answer")));
    socket.on("error", reject);
    socket.on("close", () => reject(new Error("the connection was closed")));
    socket.on("data", (data) => {
      received = Buffer.concat([received, data]);
      try {
        const answer = take(received, socket);
        if (answer === undefined) return;
        resolve(answer);
        socket.end();
      } catch (error) {
        socket.destroy(error);
      }
    });
  });
}

function message(type, body) {
  const head = Buffer.from(`${type}....`);
  head.writeInt32BE(4 + body.length, type.length);
  return Buffer.concat([head, body]);
}

/** The whole messages in what a PostgreSQL server sent, as [type, body]. */
function messages(bytes) {
  const found = [];
  for (let at = 0; at + 5 <= bytes.length && at + 1 + bytes.readInt32BE(at + 1) <= bytes.length; ) {
    const end = at + 1 + bytes.readInt32BE(at + 1);
    found.push([String.fromCharCode(bytes[at]), bytes.subarray(at + 5, end)]);
    at = end;
  }
  return found;
}

/** The first value that a query gives, as text. The server knows us by the user whom the service runs as. */
function postgresqlValue({ socket, user, database }, sql) {
  const version = Buffer.alloc(4);
  version.writeInt32BE(PROTOCOL_3);
  const hello = message("", Buffer.concat([version, Buffer.from(`user\0${user}\0database\0${database}\0\0`)]));
  let asked = false;
  return ask({ path: socket }, hello, (bytes, connection) => {
    const said = messages(bytes);
    const problem = said.find(([type]) => type === "E");
    if (problem) throw new Error((/\0M([^\0]*)/.exec(problem[1].toString()) || ["", "an error"])[1]);
    if (said.some(([type, body]) => type === "R" && body.readInt32BE(0) !== 0)) throw new Error("it wants a password");
    if (!asked && said.some(([type]) => type === "Z")) {
      asked = true;
      connection.write(message("Q", Buffer.from(`${sql}\0`)));
    }
    const row = said.find(([type]) => type === "D");
    return row && row[1].toString("utf8", 6); // after the number of columns and the length of the first
  });
}

/** How many keys a Redis server has. */
function redisKeys(port) {
  return ask({ port, host: "127.0.0.1" }, "PING\r\nDBSIZE\r\n", (bytes) => {
    const text = bytes.toString();
    if (text.startsWith("-")) throw new Error(text.trim());
    const found = /^\+PONG\r\n:(\d+)\r\n/.exec(text);
    return found ? Number(found[1]) : undefined;
  });
}

module.exports = { postgresqlValue, redisKeys };
