"""Run commands in turn, several times, and print medians and ratios of one and the same session of the machine."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
RUNS = max(5, int(os.environ.get("BENCH_RUNS", "5")))


@dataclass(frozen=True)
class Measurement:
    """One run of a command: wall clock and processor seconds, and the peak memory of its largest process in MiB."""

    wall: float
    cpu: float
    memory: float


@dataclass(frozen=True)
class Medians:
    """The medians of several runs."""

    wall: float
    cpu: float
    memory: float
    spread: float

    @classmethod
    def of(cls, rows: Sequence[Measurement]) -> Medians:
        """Return the medians of some runs, and the most memory that one of them took."""
        return cls(
            statistics.median(m.wall for m in rows),
            statistics.median(m.cpu for m in rows),
            max(m.memory for m in rows),
            max(m.wall for m in rows) - min(m.wall for m in rows),
        )


def ansible_playbook(*arguments: str) -> list[str]:
    """Return the command line of ansible-playbook of the environment that runs this benchmark."""
    return [str(Path(sys.executable).with_name("ansible-playbook")), *arguments]


def run_once(argv: Sequence[str], *, accept: Sequence[int] = (0,), environment: Mapping[str, str] | None = None) -> Measurement:
    """Run a command to its end.

    :param accept: exit statuses of a run that counts; any other ends the benchmark with the command's output.
    """
    started = time.perf_counter()
    process = subprocess.Popen(
        argv, cwd=CHECKOUT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env={**os.environ, "ANSIBLE_NOCOLOR": "1", **(environment or {})},
    )
    assert process.stdout is not None
    output = process.stdout.read()
    _pid, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in accept:
        sys.exit(f"{' '.join(argv)} ended with {process.returncode}:\n{output.decode(errors='replace')[-4000:]}")
    return Measurement(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def in_turn(
    commands: Mapping[str, Sequence[str]], *, runs: int = RUNS, accept: Sequence[int] = (0,), before: Callable[[], object] = lambda: None
) -> dict[str, Medians]:
    """Run the commands A B A B …, one warm-up each, so that a drifting machine strikes all alike; return medians.

    :param before: is called before each run, and not measured.
    """
    results: dict[str, list[Measurement]] = {name: [] for name in commands}
    for round_number in range(runs + 1):
        for name, argv in commands.items():
            before()
            measurement = run_once(argv, accept=accept)
            if round_number:
                results[name].append(measurement)
    return {name: Medians.of(rows) for name, rows in results.items()}


def print_table(title: str, medians: Mapping[str, Medians], ratios: Sequence[tuple[str, str, str]]) -> None:
    """Print a table of medians and the ratios ``(text, numerator, denominator)`` of wall clock times."""
    print(f"\n## {title}\n\n| what | wall s (median of {RUNS}) | spread s | CPU s | memory MiB |\n|---|---|---|---|---|")
    for name, row in medians.items():
        print(f"| {name} | {row.wall:.2f} | {row.spread:.2f} | {row.cpu:.2f} | {row.memory:.0f} |")
    print()
    for text, numerator, denominator in ratios:
        print(f"- {text}: **{medians[numerator].wall / medians[denominator].wall:.2f}**")
    sys.stdout.flush()
