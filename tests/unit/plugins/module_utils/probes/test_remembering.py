"""What the history of probes adds to a result."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.remembering import previous_restarts, remember
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.options import read_probes
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.outcome import Outcome, Previous

NOW = datetime(2026, 11, 22, 6, 0, 0, tzinfo=timezone.utc)
PROBES = read_probes(
    [
        {"type": "http", "name": "app", "url": "http://a.test/"},
        {"type": "unit", "name": "app", "unit": "app"},
        {"type": "port", "name": "app", "port": 80},
    ],
    {},
)
UP = [
    Outcome("ok", "", 0.01),
    Outcome("warning", "", restarts=3),
    Outcome("ok", ""),
]
DOWN = [Outcome("critical", ""), Outcome("unknown", ""), Outcome("critical", "")]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "history.sqlite"


def test_latencies_restarts_and_uptime_come_back(path):
    remember(path, PROBES, UP, NOW - timedelta(days=3), read_only=False)
    remember(path, PROBES, UP, NOW - timedelta(hours=1), read_only=False)
    memory = remember(path, PROBES, DOWN, NOW, read_only=False)
    assert memory.checks == []
    assert memory.series == [
        {
            "name": "http app",
            "unit": "s",
            "points": [["2026-11-19T06:00:00Z", 0.01], ["2026-11-22T05:00:00Z", 0.01], ["2026-11-22T06:00:00Z", None]],
        }
    ]
    assert memory.uptime["http", "app"] == {"1d": 50.0, "7d": 66.67, "30d": 66.67}
    # A warning is up, and a run that could not look counts neither way.
    assert memory.uptime["unit", "app"] == {"1d": 100.0, "7d": 100.0, "30d": 100.0}
    assert previous_restarts(path, PROBES, NOW) == {"probe:unit:app": Previous("2026-11-22T05:00:00Z", 3)}


def test_a_check_run_writes_nothing(path):
    memory = remember(path, PROBES, UP, NOW, read_only=True)
    assert memory.series == []
    assert memory.uptime["http", "app"] == {"1d": None, "7d": None, "30d": None}
    assert not path.parent.exists()
    remember(path, PROBES, UP, NOW - timedelta(hours=1), read_only=False)
    before = path.read_bytes()
    assert len(remember(path, PROBES, UP, NOW, read_only=True).series[0]["points"]) == 1
    assert path.read_bytes() == before


def test_no_history_yet_means_no_restarts_known(path):
    assert previous_restarts(path, PROBES, NOW) == {}


def test_a_damaged_history_is_set_aside_and_reported(path):
    path.parent.mkdir(mode=0o700)
    path.write_bytes(b"no database at all" * 1000)
    assert previous_restarts(path, PROBES, NOW) == {}
    in_check_mode = remember(path, PROBES, UP, NOW, read_only=True)
    assert [check["status"] for check in in_check_mode.checks] == ["warning"]
    assert path.read_bytes().startswith(b"no database")
    memory = remember(path, PROBES, UP, NOW, read_only=False)
    assert [(check["check"], check["status"]) for check in memory.checks] == [("history.integrity", "warning")]
    assert ".corrupt-" in memory.checks[0]["summary"]
    assert len(memory.series[0]["points"]) == 1
    assert remember(path, PROBES, UP, NOW + timedelta(hours=1), read_only=False).checks == []


@pytest.mark.parametrize("read_only", [False, True])
def test_a_history_that_cannot_be_written_is_unknown_and_no_crash(tmp_path, read_only):
    (tmp_path / "file").write_text("in the way")
    memory = remember(tmp_path / "file" / "history.sqlite", PROBES, UP, NOW, read_only=read_only)
    assert [(check["check"], check["status"]) for check in memory.checks] == [("history.integrity", "unknown")]
    assert "hint" in memory.checks[0]
