"""Two million lines of an access log, plain and packed, beside what people use today."""

from __future__ import annotations

import gzip
import json
import os
import random
import shutil
import sys
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path

from measuring import CHECKOUT, RUNS, in_turn, print_table

LINES = int(os.environ.get("BENCH_LINES", "2000000"))
#: GoAccess takes minutes for all of them: it gets these, and its time is compared by the line.
SAMPLE = min(LINES, 200_000)
PACKED_FILES = 4

#: combined, and what a server that is looked after adds.
FORMAT = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" '
    "$request_time $upstream_response_time $upstream_cache_status"
)

#: As the wrapper of Ansible starts a module.
MODULE = """
import json, sys
from ansible.module_utils import basic
basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": json.load(open(sys.argv[1]))}).encode()
basic._ANSIBLE_PROFILE = "legacy"
from ansible_collections.upkeep.runbook.plugins.modules import access_log_stats
access_log_stats.main()
"""

#: Only the parsing of the module, with the same parts on as many processors: lines become values of columns, and no more.
PARSING = """
import json, sys
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.blocks import Reading
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.durations import DurationClasses
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.files import find_files
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.formats import read_format
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.group_counting import _parts
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.moments import Moments
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.rows import TextReader
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.sharing import share
parts = _parts(find_files([sys.argv[1]], since=0).files, 2)
def work(numbers):
    reader, moments, durations, upstream, lines = TextReader(read_format(sys.argv[2])), Moments(), DurationClasses(), DurationClasses(), 0
    read = reader._match if "EXPRESSION" in sys.argv else lambda text: reader.read(text)
    match = reader._pattern.fullmatch
    for number in numbers:
        for block in Reading(parts[number]).blocks():
            if "LOOP" in sys.argv:
                for line in block.decode("latin-1").split("\\n"):
                    found = match(line)
                    if found:
                        lines += 1
                        if "FIELDS" in sys.argv:
                            fields = found.groups()
                continue
            for rows in read(block.decode("latin-1"))[0]:
                lines += rows.lines
                if "TEXT" in sys.argv:
                    continue
                known = moments.read(set(rows.columns["time"]), rows.zone)
                seconds = list(map(known.__getitem__, rows.columns["time"]))
                sizes = list(map(int, rows.columns["bytes"]))
                took = list(map(durations.__getitem__, rows.columns["seconds"]))
                passed = list(map(upstream.__getitem__, rows.columns["upstream_seconds"]))
    return lines
print(sum(share(len(parts), work, processes=2)))
"""

#: Requests, bytes, status codes and the busiest clients; no percentiles and no routes.
AWK = r"""
{ clients[$1]++; bytes += $10; status[$9]++; split($7, path, "?"); paths[path[1]]++ }
END { for (name in status) print name, status[name]; print bytes; for (name in clients) if (clients[name] > 10000) print name, clients[name] }
"""

DUCKDB = """
import duckdb, sys
connection = duckdb.connect()
connection.execute("SET threads TO 2")
pattern = r'^(\\S+) - (\\S+) \\[([^]]+)\\] "([^"]*)" (\\d+) (\\d+) "([^"]*)" "([^"]*)" (\\S+) (\\S+) (\\S+)$'
names = ["client", "user", "time", "request", "status", "bytes", "referer", "agent", "took", "upstream", "cache"]
connection.execute(
    "CREATE TABLE log AS SELECT unnest(regexp_extract(line, ?, ?)) "
    "FROM read_csv(?, columns={'line': 'VARCHAR'}, delim='\\x01', quote='', escape='', header=false)",
    [pattern, names, sys.argv[1]],
)
print(connection.execute("SELECT status, count(*), quantile_cont(took::DOUBLE, 0.95) FROM log GROUP BY status").fetchall())
print(connection.execute("SELECT client, count(*) FROM log GROUP BY client ORDER BY 2 DESC LIMIT 10").fetchall())
"""


def write_log(path: Path, lines: int) -> None:
    """Write a day of a site: pages and assets, an API with numbers in its paths, searches, errors, limits and some scanners."""
    chance = random.Random(11)
    agents = [
        f"Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version}.0.0.0 Safari/537.36"
        for version in range(100, 140)
        for system in ("Windows NT 10.0; Win64; x64", "X11; Linux x86_64", "Macintosh; Intel Mac OS X 10_15_7")
    ]
    agents += ["curl/8.5.0", "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "-"]
    clients = [".".join(str(chance.randrange(1, 255)) for _part in range(4)) for _number in range(60_000)]
    clients += [f"2001:db8:{chance.randrange(65536):x}::{chance.randrange(65536):x}" for _number in range(8_000)]
    pages = ["/", "/login", "/about", "/api/v1/status"] + [f"/assets/app-{number}.js" for number in range(60)]
    pages += [f"/docs/page-{number}" for number in range(300)]
    begin = datetime.now(timezone.utc) - timedelta(hours=23)
    with path.open("w") as stream:
        for number in range(lines):
            kind = chance.random()
            if kind < 0.6:
                request = f"GET {pages[int(chance.paretovariate(0.8)) % len(pages)]}"
            elif kind < 0.8:
                request = f"GET /api/v1/items/{int(chance.paretovariate(0.5)) % 20000}"
            elif kind < 0.9:
                request = f"POST /api/v1/orders/{chance.randrange(5000)}/lines?limit={chance.randrange(5) * 10}"
            elif kind < 0.98:
                request = f"GET /search?q={chance.randrange(1 << 20):x}"
            else:
                request = f"GET /wp-{chance.randrange(1000):x}.php"
            status = chance.choices((200, 304, 404, 500, 429, 101), (85, 6, 5, 1, 2, 1))[0]
            stream.write(
                f"{clients[int(chance.paretovariate(0.6)) % len(clients)]} - - "
                f"[{(begin + timedelta(seconds=number * 82_000 / lines)).strftime('%d/%b/%Y:%H:%M:%S +0000')}] "
                f'"{request} HTTP/1.1" {status} {chance.randrange(200, 40000)} '
                f'"{chance.choice(("-", "https://www.example.com/docs/"))}" "{chance.choice(agents)}" '
                f"{chance.lognormvariate(-3, 1):.3f} 0.{chance.randrange(1000):03d} {chance.choice(('HIT', 'MISS', '-'))}\n"
            )


def pack(log: Path, folder: Path) -> None:
    """Pack a log in several files, as rotations leave it, and in a single one."""
    folder.mkdir()
    outputs = [gzip.open(folder / f"access.log.{number}.gz", "wb", 6) for number in range(PACKED_FILES)]
    with log.open("rb") as stream, gzip.open(folder / "whole.gz", "wb", 6) as whole:
        for number, line in enumerate(stream):
            outputs[number * PACKED_FILES // LINES].write(line)
            whole.write(line)
    for output in outputs:
        output.close()


def module(folder: Path, name: str, *paths: str, **more: object) -> list[str]:
    """Return the command of one run of the module."""
    options = {"paths": list(paths), "format": FORMAT, "state_directory": str(folder / "state"), **more}
    (folder / f"{name}.json").write_text(json.dumps(options))
    return [sys.executable, "-c", MODULE, str(folder / f"{name}.json")]


def main() -> None:
    os.environ["PYTHONPATH"] = str(CHECKOUT / ".collections")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log, sample = folder / "access.log", folder / "sample.log"
        write_log(log, LINES)
        with log.open("rb") as stream, sample.open("wb") as output:
            output.writelines(line for _number, line in zip(range(SAMPLE), stream))
        pack(log, folder / "packed")
        measure(folder, log, sample)
    print(f"\nEach figure is the median of {RUNS} runs. Load while it ran: {os.getloadavg()[2]:.1f} (15 minutes).")


def measure(folder: Path, log: Path, sample: Path) -> None:
    parsing = [sys.executable, "-c", PARSING, str(log), FORMAT]
    goaccess = [
        "goaccess", str(sample), "-o", str(folder / "out.json"), "--no-global-config", "--no-progress",
        "--log-format=%h - %e [%d:%t %^] \"%r\" %s %b \"%R\" \"%u\" %T %^ %^", "--date-format=%d/%b/%Y", "--time-format=%H:%M:%S",
    ]  # fmt: skip
    sampled = f"access_log_stats, {SAMPLE} lines"
    commands = {
        "access_log_stats": module(folder, "plain", str(log)),
        "parsing alone: times, sizes and durations": parsing,
        "parsing alone: text": [*parsing, "TEXT"],
        "parsing alone: text, by regular expression": [*parsing, "TEXT", "EXPRESSION"],
        "parsing alone: line by line, matched": [*parsing, "LOOP"],
        "parsing alone: line by line, matched and taken apart": [*parsing, "LOOP", "FIELDS"],
        f"access_log_stats, gzip in {PACKED_FILES} files": module(folder, "packed", str(folder / "packed" / "access.log.*.gz")),
        "access_log_stats, gzip in one file": module(folder, "whole", str(folder / "packed" / "whole.gz")),
        sampled: module(folder, "sample", str(sample)),
        f"goaccess, {SAMPLE} lines": goaccess,
        "mawk, less than that": ["mawk", AWK, str(log)],
    }  # fmt: skip
    if not shutil.which("goaccess"):
        sys.exit("goaccess is not installed: scripts/system_packages.sh bench")
    try:
        import duckdb  # type: ignore[import-not-found]  # noqa: F401
    except ImportError:
        print("duckdb is not installed in this environment and is left out.")
    else:
        commands["duckdb, less than that"] = [sys.executable, "-c", DUCKDB, str(log)]
    medians = in_turn(commands)
    print_table(
        f"An access log of {LINES} lines, {log.stat().st_size >> 20} MiB",
        medians,
        [
            (
                "access_log_stats / its parsing alone, to values (at most 1.5)",
                "access_log_stats",
                "parsing alone: times, sizes and durations",
            ),
            ("access_log_stats / its parsing alone, to text", "access_log_stats", "parsing alone: text"),
            ("access_log_stats / one regular expression for a block", "access_log_stats", "parsing alone: text, by regular expression"),
            (
                "access_log_stats / a loop that only matches each line",
                "access_log_stats",
                "parsing alone: line by line, matched",
            ),
            (
                "access_log_stats / a loop that matches each line and takes its fields",
                "access_log_stats",
                "parsing alone: line by line, matched and taken apart",
            ),
            (f"goaccess / access_log_stats, {SAMPLE} lines (at least 3)", f"goaccess, {SAMPLE} lines", sampled),
            (
                "gzip in several files / plain (at most 2)",
                f"access_log_stats, gzip in {PACKED_FILES} files",
                "access_log_stats",
            ),
            ("gzip in one file / plain (at most 2)", "access_log_stats, gzip in one file", "access_log_stats"),
            ("access_log_stats / mawk", "access_log_stats", "mawk, less than that"),
        ],
    )
    memory = max(row.memory for name, row in medians.items() if name.startswith("access_log_stats"))
    print(f"- access_log_stats, peak memory of its largest process (at most 128 MiB): **{memory:.0f} MiB**")
    print(f"- the same with {SAMPLE} lines: **{medians[sampled].memory:.0f} MiB**", flush=True)


if __name__ == "__main__":
    main()
