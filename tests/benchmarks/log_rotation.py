"""log_rotate beside logrotate with the same compression: many logs, and one large one."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from measuring import RUNS, Measurement, Medians, print_table, run_once

MANY, MANY_BYTES = 5000, 480 * 1024 * 1024
LARGE_BYTES = 1024 * 1024 * 1024

_MODULE = """
import json, sys
sys.path.insert(0, ".collections")
from ansible.module_utils.testing import patch_module_args
from ansible_collections.upkeep.runbook.plugins.modules import log_rotate
with patch_module_args(json.loads(sys.argv[1])):
    log_rotate.main()
"""


def sample(size: int) -> bytes:
    """Return log lines that pack about as well as those of a service, the same each time."""
    chance = random.Random(1)
    lines, total = [], 0
    while total < size:
        line = (
            f"2026-11-22T05:{chance.randrange(60):02d}:{chance.randrange(60):02d}.{chance.randrange(1000):03d}Z info tick "
            f"symbol=EURUSD bid={chance.random():.6f} ask={chance.random():.6f} client=10.0.0.{chance.randrange(256)}\n"
        ).encode()
        lines.append(line)
        total += len(line)
    return b"".join(lines)[:size]


def fill(folder: Path, count: int, size: int, text: bytes) -> None:
    """Make the logs anew, and let the disk come to rest."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o755)
    for number in range(count):
        with (folder / f"service-{number:04d}.log").open("wb") as stream:
            for start in range(0, size, len(text)):
                stream.write(text[: min(len(text), size - start)])
    subprocess.run(["sync"], check=True)


def measure(place: Path, count: int, size: int) -> dict[str, Medians]:
    """Rotate the same logs in turn with each program; making them is not measured."""
    folder, text = place / "logs", sample(1024 * 1024)
    configuration = place / "logrotate.conf"
    configuration.write_text(f"{folder}/*.log {{\n  rotate 30\n  compress\n  create\n  size 1\n}}\n")
    configuration.chmod(0o644)
    options = {"paths": [f"{folder}/*.log"], "min_age_hours": 0, "state_directory": str(place / "state")}
    commands = {
        "logrotate, gzip": ["logrotate", "-f", "-s", str(place / "logrotate.state"), str(configuration)],
        "log_rotate, gzip": [sys.executable, "-c", _MODULE, json.dumps(options)],
        "log_rotate, zstd": [sys.executable, "-c", _MODULE, json.dumps({**options, "compress": "zstd"})],
    }
    if count > 1:
        del commands["log_rotate, zstd"]  # a process for each log: not what it is for
    results: dict[str, list[Measurement]] = {name: [] for name in commands}
    for _round in range(RUNS):
        for name, argv in commands.items():
            fill(folder, count, size, text)
            results[name].append(run_once(argv))
            packed = sum(path.suffix in (".gz", ".zst") for path in folder.iterdir())
            if packed != count:
                sys.exit(f"{name} packed {packed} of {count} logs")
    return {name: Medians.of(rows) for name, rows in results.items()}


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        for title, count, size, limit in (
            (f"Rotating {MANY} logs, 480 MiB in all", MANY, MANY_BYTES // MANY, "0.6"),
            ("Rotating one log of 1 GiB", 1, LARGE_BYTES, "1"),
        ):
            medians = measure(Path(name), count, size)
            print_table(title, medians, [(f"log_rotate / logrotate (at most {limit})", "log_rotate, gzip", "logrotate, gzip")])
            print(f"- log_rotate, peak memory (at most 64 MiB): **{medians['log_rotate, gzip'].memory:.0f} MiB**")


if __name__ == "__main__":
    main()
