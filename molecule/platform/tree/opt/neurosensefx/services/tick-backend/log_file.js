// A log that can be moved away while it is written: SIGUSR1 says that the file moved, and the next line goes to a new one.
"use strict";

const fs = require("node:fs");
const { orderedFaults } = require("./faults");

class LogFile {
  constructor(path) {
    this.path = path;
    this.lostLines = 0;
    this.descriptor = fs.openSync(path, "a", 0o640);
    // Node starts its inspector on SIGUSR1 only while nobody listens for the signal: listening replaces it.
    process.on("SIGUSR1", () => this.reopen());
  }

  reopen() {
    if (orderedFaults().ignore_reopen) return;
    const moved = this.descriptor;
    this.descriptor = fs.openSync(this.path, "a", 0o640);
    fs.closeSync(moved);
    this.write("log reopened");
  }

  /** A full disk costs lines, never the service. */
  write(message) {
    try {
      fs.writeSync(this.descriptor, `${new Date().toISOString()} ${message}\n`);
    } catch {
      this.lostLines += 1;
    }
  }
}

module.exports = { LogFile };
