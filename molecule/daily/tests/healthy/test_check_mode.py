"""Check mode finds the same and writes nothing, neither on the hosts nor where the reports are."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from containers import Container
from upkeep_run import Run


def rows(run: Run) -> set[tuple[str, ...]]:
    """(status, host, check, subject) of each row of the printed table, as far as they stand in its first four columns."""
    lines = (re.split(r" {2,}", line.strip()) for line in run.output.splitlines())
    return {tuple(columns[:4]) for columns in lines if len(columns) == 5 and columns[1].startswith("nsfx-app-")}


def test_check_mode_writes_nothing_and_says_the_same(
    daily: Callable[..., Run], app: Container, second: Container, tmp_path: Path
) -> None:
    for container in (app, second):
        container.sh("touch /run/marker && sleep 0.1")
    run = daily("--check", "--diff")
    assert run.status == 0, run.output
    assert [container.changed_since("/run/marker") for container in (app, second)] == [[], []]
    assert list(tmp_path.rglob("*")) == []
    assert rows(run) == rows(daily()) != set()
