// A shop that answers at once, and on /ticks for ever: a line every 100 ms, so that a test sees when a connection stops.
const http = require("http");

http.createServer((request, response) => {
  response.writeHead(200, { "Content-Type": "text/plain" });
  if (request.url !== "/ticks") {
    response.end("open\n");
    return;
  }
  let number = 0;
  const timer = setInterval(() => response.write(`${++number}\n`), 100);
  response.on("close", () => clearInterval(timer));
}).listen(3000, "127.0.0.1");
