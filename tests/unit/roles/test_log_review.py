"""What the role looks for by itself finds what Node.js writes when it is blocked or dies, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible_collections.upkeep.runbook.tests.unit.plugins.modules.module_process import run_module

DEFAULTS = yaml.safe_load((Path(__file__).parents[3] / "roles" / "log_review" / "defaults" / "main.yml").read_text(encoding="utf-8"))
BLOCKED, MEMORY = "blocking operations", "out of memory"


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("WARN Event loop blocked for 812 ms in onTick", BLOCKED),
        ("warn: event loop lag 300 ms", BLOCKED),
        ("Slow query (2.1 s): select * from ticks", BLOCKED),
        ("Error: connect ETIMEDOUT 192.0.2.7:5035", BLOCKED),
        ("FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory", MEMORY),
        ("INFO event loop is idle, no query was slow", None),
        ("INFO memory 61 %", None),
    ],
)
def test_lines(tmp_path: Path, line: str, found: str | None) -> None:
    log = tmp_path / "backend.log"
    log.write_text(f"{line}\n" * 5)
    options = {
        "groups": [{"name": "backend", "paths": [str(log)]}],
        "patterns": DEFAULTS["log_review_patterns"],
        "since": "beginning",
        "state_directory": str(tmp_path / "state"),
        "return_all": True,
    }
    statuses = {check["subject"]: check["status"] for check in run_module("log_scan", options)["checks"] if check["check"] == "log.pattern"}
    expected = {f"backend/{BLOCKED}": "ok", f"backend/{MEMORY}": "ok"}
    if found:
        expected[f"backend/{found}"] = "warning" if found == BLOCKED else "critical"
    assert statuses == expected
