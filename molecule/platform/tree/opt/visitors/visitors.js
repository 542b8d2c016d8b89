// The users of the frontend: they ask for its page again and again, so that its log is always being written.
// Each visit has a number, by which a test finds out whether a line of the log was lost.
"use strict";

const http = require("node:http");

const [, , page, pauseMilliseconds] = process.argv;
let visits = 0;

setInterval(() => {
  visits += 1;
  const request = http.get(`${page}?visit=${visits}`, (response) => response.resume());
  request.on("error", () => {}); // A frontend that is down has no visitors.
}, Number(pauseMilliseconds));
