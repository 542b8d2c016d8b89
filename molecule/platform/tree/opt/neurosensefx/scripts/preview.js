// Serves the built frontend (dist/) and nothing else.
"use strict";

const fs = require("node:fs");
const http = require("node:http");
const path = require("node:path");
const { LogFile } = require("../services/tick-backend/log_file");

const root = path.join(__dirname, "..", "dist");
const host = process.env.FRONTEND_HOST || "127.0.0.1";
const port = Number(process.env.FRONTEND_PORT || 4173);
const log = new LogFile(process.env.FRONTEND_LOG || "/opt/neurosensefx/logs/frontend.log");
const types = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css" };

/** The file behind a URL, or null when there is none inside dist/. */
function fileOf(url) {
  const pathname = url.split("?")[0];
  const file = path.join(root, path.normalize(pathname.endsWith("/") ? `${pathname}index.html` : pathname));
  return file.startsWith(root + path.sep) && fs.existsSync(file) ? file : null;
}

const server = http.createServer((request, response) => {
  const file = fileOf(request.url);
  const status = file ? 200 : 404;
  log.write(`${request.method} ${JSON.stringify(request.url)} ${status}`);
  response.writeHead(status, { "content-type": types[path.extname(file || ".html")] || "application/octet-stream" });
  response.end(request.method === "HEAD" ? undefined : file ? fs.readFileSync(file) : "not found\n");
});
server.listen(port, host, () => log.write(`listening on ${host}:${port}`));
process.on("SIGTERM", () => process.exit(0));
