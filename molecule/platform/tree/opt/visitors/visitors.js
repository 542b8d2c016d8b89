// The users of the platform: they ask for a page again and again, so that its logs are always being written.
// Each visit has a number, by which a test finds out whether a line of the frontend's log was lost.
"use strict";

const http = require("node:http");
const https = require("node:https");

// Those who come through nginx, which answers most of them itself, count under another name.
const [, , page, pauseMilliseconds, name = "visit"] = process.argv;
const client = page.startsWith("https:") ? https : http;
let visits = 0;

setInterval(() => {
  visits += 1;
  const request = client.get(`${page}?${name}=${visits}`, (response) => response.resume());
  request.on("error", () => {}); // A page that is down has no visitors.
}, Number(pauseMilliseconds));
