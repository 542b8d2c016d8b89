// A shop that answers at once, and on /ticks for ever: a line every 100 ms, so that a test sees when a connection stops.
// Who logs in (/login) gets a token, which is signed with the secret of .env and opens /account.
const crypto = require("crypto");
const http = require("http");

const secret = process.env.TOKEN_SECRET;
if (!secret) throw new Error("TOKEN_SECRET is not set");

const signature = (text) => crypto.createHmac("sha256", secret).update(text).digest("base64url");
const token = (user) => `${user}.${signature(user)}`;
const known = (given) => {
  const expected = Buffer.from(token(given.split(".")[0]));
  const found = Buffer.from(given);
  return found.length === expected.length && crypto.timingSafeEqual(found, expected);
};

http.createServer((request, response) => {
  if (request.url === "/account" && !known(request.headers.authorization || "")) {
    response.writeHead(401).end("who are you?\n");
    return;
  }
  response.writeHead(200, { "Content-Type": "text/plain" });
  if (request.url === "/login") {
    response.end(token("anna"));
    return;
  }
  if (request.url !== "/ticks") {
    response.end("open\n");
    return;
  }
  let number = 0;
  const timer = setInterval(() => response.write(`${++number}\n`), 100);
  response.on("close", () => clearInterval(timer));
}).listen(3000, "127.0.0.1");
