"""log_scan beside a bare loop that only searches each line for the same expressions, and beside grep."""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
import tempfile
from pathlib import Path

from measuring import in_turn, print_table

LINES = int(os.environ.get("BENCH_LINES", "2000000"))
#: What people look for, and what every line of interest for its level holds, as one expression each.
PATTERNS = [
    r"timed? ?out after \d+ ?ms", r"event loop (?:blocked|lag)", r"ECONNREFUSED|ECONNRESET|ETIMEDOUT", r"slow query .* \d+ms",
]  # fmt: skip
LEVELS = r"\b(?:ERROR|FATAL|WARN(?:ING)?|CRIT(?:ICAL)?|error|fatal|warn(?:ing)?|crit(?:ical)?)\b|[A-Z]\w*(?:Error|Exception): "

_MODULE = """
import json, shutil, sys
sys.path.insert(0, ".collections")
from ansible.module_utils.testing import patch_module_args
from ansible_collections.upkeep.runbook.plugins.modules import log_scan
options = json.loads(sys.argv[1])
shutil.rmtree(options["state_directory"], ignore_errors=True)
with patch_module_args(options):
    log_scan.main()
"""
_BARE = """
import re, sys
searches = [re.compile(text.encode()).search for text in sys.argv[2:]]
counts = [0] * len(searches)
with open(sys.argv[1], "rb") as log:
    for line in log:
        for number, search in enumerate(searches):
            if search(line):
                counts[number] += 1
print(counts)
"""
_KINDS = (
    (0.965, "info: tick symbol=EURUSD bid={a:.6f} ask={b:.6f} client=10.0.0.{c} GET /api/prices/{n} 200 {c}ms"),
    (0.985, "warn: slow query SELECT prices took {n} rows {c}ms"),
    (0.993, "error: request {n} failed: timed out after {n} ms (client 10.0.0.{c})"),
    (0.997, "error: connect ECONNREFUSED 10.0.0.{c}:5432\n    at TCPConnectWrap.afterConnect [as oncomplete] (node:net:1555:16)"),
    (1.0, "info: event loop lag {c}ms"),
)


def write_log(path: Path, lines: int) -> None:
    """Write lines as a service does, some of them warnings and errors, the same each time."""
    chance = random.Random(1)
    with path.open("w", encoding="ascii") as log:
        for number in range(lines):
            share = chance.random()
            kind = next(text for limit, text in _KINDS if share < limit)
            stamp = f"2026-11-22T{number // 83334 % 24:02d}:{number // 1389 % 60:02d}:{number // 23 % 60:02d}.{number % 1000:03d}Z "
            text = kind.format(a=chance.random(), b=chance.random(), c=chance.randrange(256), n=chance.randrange(10**6))
            log.write(f"{stamp}{text}\n")


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        log = place / "app.log"
        write_log(log, LINES)
        options = {
            "groups": [{"name": "app", "paths": [str(log)]}], "since": "beginning", "state_directory": str(place / "state"),
            "patterns": [{"name": f"p{number}", "regex": text} for number, text in enumerate(PATTERNS)],
        }  # fmt: skip
        commands = {
            "log_scan": [sys.executable, "-c", _MODULE, json.dumps(options)],
            "bare loop, the same expressions": [sys.executable, "-c", _BARE, str(log), LEVELS, *PATTERNS],
        }
        if shutil.which("grep"):
            commands["grep -cE"] = ["grep", "-cE", "|".join([LEVELS, *PATTERNS]).replace("(?:", "(").replace(r"\d", "[0-9]"), str(log)]
        medians = in_turn(commands)
        size = log.stat().st_size / 1024**2
        print_table(
            f"Scanning a log of {LINES} lines, {size:.0f} MiB", medians,
            [("log_scan / bare loop (at most 1.5)", "log_scan", "bare loop, the same expressions")]
            + [("log_scan / grep -cE (information)", "log_scan", name) for name in commands if name.startswith("grep")],
        )  # fmt: skip
        print(f"- log_scan, peak memory (at most 128 MiB): **{medians['log_scan'].memory:.0f} MiB**")


if __name__ == "__main__":
    main()
