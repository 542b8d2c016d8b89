// Faults that the tests order. Only root can write the file, so that the service cannot be told to lie by its own account.
//
//   {"health_status": 500}           answer GET /health with this status
//   {"health_delay_seconds": 5}      answer it that late
//   {"websocket_accept": "wrong"}    answer handshakes with 101 and this Sec-WebSocket-Accept
//   {"ignore_reopen": true}          go on writing to the log that was moved away; the frontend does it too
"use strict";

const fs = require("node:fs");

const FAULTS_FILE = "/etc/neurosensefx/faults.json";

function orderedFaults() {
  try {
    return JSON.parse(fs.readFileSync(FAULTS_FILE, "utf8"));
  } catch {
    return {}; // No file is the normal case: nothing is ordered.
  }
}

module.exports = { orderedFaults };
