"""What is kept of a measurement: series with their past, what was counted since the last run, and what a broken history costs."""

from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.history import open_history
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.remembering import (
    Figure,
    FigureHistory,
    count_since_last_run,
    counted_since,
    kept_figures,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso

NOW = datetime(2026, 11, 22, 2, 0, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)


def figure(value: float, **changes: Any) -> Figure:
    return Figure(**{"series": "disk.space:/", "unit": "percent", "value": value, "check": ("disk.space", "/"), **changes})


def run(path: Path | None, now: datetime, *figures: Figure, read_only: bool = False, status: str = "ok") -> dict:
    with FigureHistory.opened(str(path) if path else None, now=now, read_only=read_only) as memory:
        last = memory.last("disk.space:/")
        series = memory.series(figures)
        memory.keep(figures, [{"check": "disk.space", "subject": "/", "status": status}])
        return {"last": last, "series": series, "checks": memory.checks()}


def test_the_past_comes_before_this_run(tmp_path: Path) -> None:
    path = tmp_path / "state/history.sqlite"
    for hours, value in ((3, 10.0), (2, 20.0), (1, 30.0)):
        run(path, NOW - hours * HOUR, figure(value))
    result = run(path, NOW, figure(40.0))
    assert result["last"] == (NOW - HOUR, 30.0)
    assert result["series"] == [
        {
            "name": "disk.space:/",
            "unit": "percent",
            "points": [[to_iso(NOW - hours * HOUR), value] for hours, value in ((3, 10.0), (2, 20.0), (1, 30.0), (0, 40.0))],
        }
    ]
    assert [(check["check"], check["status"]) for check in result["checks"]] == [("history.integrity", "ok")]


def test_the_status_of_the_check_is_kept_with_the_figure(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    run(path, NOW, figure(90.0), status="warning")
    with open_history(path, now=NOW, read_only=True) as history:
        assert history.last("resource:disk.space:/") == (NOW, 90.0, "warning")


def test_a_series_has_at_most_96_points_this_one_included(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    for minute in range(120, 0, -1):
        run(path, NOW - timedelta(minutes=minute), figure(float(minute)))
    points = run(path, NOW, figure(0.0))["series"][0]["points"]
    assert len(points) == 96
    assert points[-1] == [to_iso(NOW), 0.0]
    assert [point[0] for point in points] == sorted(point[0] for point in points)


def test_what_is_older_than_a_month_is_not_drawn(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    run(path, NOW - timedelta(days=31), figure(1.0))
    assert len(run(path, NOW, figure(2.0))["series"][0]["points"]) == 1


def test_check_mode_reads_and_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "state/history.sqlite"
    result = run(path, NOW, figure(1.0), read_only=True)
    assert not (tmp_path / "state").exists()
    assert result["series"][0]["points"] == [[to_iso(NOW), 1.0]]
    assert [check["status"] for check in result["checks"]] == ["ok"]
    run(path, NOW - HOUR, figure(7.0))
    before = path.read_bytes()
    assert run(path, NOW, figure(1.0), read_only=True)["last"] == (NOW - HOUR, 7.0)
    assert path.read_bytes() == before


def test_without_a_history_there_is_nothing_to_say() -> None:
    result = run(None, NOW, figure(5.0))
    assert result["checks"] == []
    assert result["last"] is None
    assert result["series"][0]["points"] == [[to_iso(NOW), 5.0]]


def test_a_damaged_history_is_set_aside_said_and_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    path.write_bytes(b"this is no database" * 100)
    (check,) = run(path, NOW, figure(5.0))["checks"]
    assert (check["check"], check["status"], check["subject"]) == ("history.integrity", "warning", str(path))
    assert "history.sqlite.corrupt-20261122T020000Z" in check["summary"]
    assert run(path, NOW + HOUR, figure(6.0))["last"] == (NOW, 5.0)


def test_a_damaged_history_is_left_in_check_mode(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    path.write_bytes(b"this is no database" * 100)
    (check,) = run(path, NOW, figure(5.0), read_only=True)["checks"]
    assert check["status"] == "warning"
    assert "left as it is" in check["summary"]
    assert path.read_bytes().startswith(b"this is no database")
    assert os.listdir(tmp_path) == ["history.sqlite"]


def test_a_history_that_cannot_be_written_is_unknown_and_costs_only_the_trend(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    result = run(blocked / "history.sqlite", NOW, figure(5.0))
    assert result["series"][0]["points"] == [[to_iso(NOW), 5.0]]
    (check,) = result["checks"]
    assert check["status"] == "unknown"
    assert str(blocked) in check["summary"]
    assert check["hint"]


@pytest.mark.parametrize("read_only", [False, True])
def test_check_mode_says_the_same_of_a_history_that_cannot_be_written(tmp_path: Path, read_only: bool) -> None:
    (tmp_path / "file").write_text("in the way")
    (check,) = run(tmp_path / "file/deep/history.sqlite", NOW, figure(5.0), read_only=read_only)["checks"]
    assert check["status"] == "unknown"


def test_which_figures_are_kept() -> None:
    metrics = {
        "cpu": {"usage_percent": 1.0, "iowait_percent": 2.0, "steal_percent": 3.0},
        "load": {"per_core": 0.5}, "memory": None, "swap": {"used_percent": 0.0}, "oom_kills": {"since_boot": 4},
        "listen_drops": {"since_boot": 5}, "syn_flood": None,
        "file_systems": [
            {"path": "/", "used_percent": 9.0, "inodes_used_percent": None}, {"path": "/gone", "problem": "gone"},
        ],
        "interfaces": [{"name": "eth0", "receive_bytes_per_second": 8.0, "transmit_bytes_per_second": 9.0}],
    }
    figures = {figure.series: (figure.value, figure.unit, figure.drawn) for figure in kept_figures(metrics)}
    assert figures == {
        "cpu.usage": (1.0, "percent", True),
        "cpu.iowait": (2.0, "percent", True),
        "cpu.steal": (3.0, "percent", True),
        "load.per_core": (0.5, "per_core", True),
        "swap.usage": (0.0, "percent", True),
        "disk.space:/": (9.0, "percent", True),
        "network.receive:eth0": (8.0, "bytes_per_second", True),
        "network.transmit:eth0": (9.0, "bytes_per_second", True),
        "memory.oom_kills": (4, "count", False),
        "network.listen_drops": (5, "count", False),
    }


@pytest.mark.parametrize(
    ("since_boot", "last", "uptime", "counted"),
    [
        pytest.param(3, None, 100.0, None, id="no run before"),
        pytest.param(3, (NOW - HOUR, 1.0), 90_000.0, 2, id="the difference"),
        pytest.param(3, (NOW - HOUR, 3.0), 90_000.0, 0, id="none since"),
        pytest.param(3, (NOW - HOUR, 2.0), 60.0, 3, id="restarted since, so all of them"),
        pytest.param(1, (NOW - HOUR, 5.0), 90_000.0, 1, id="counted from zero again, as for a new container"),
        pytest.param(1, (NOW - HOUR, 0.0), None, 1, id="uptime not known"),
    ],
)
def test_what_was_counted_since_the_last_run(since_boot: int, last: tuple | None, uptime: float | None, counted: int | None) -> None:
    assert counted_since(since_boot, last, now=NOW, uptime_seconds=uptime) == counted


def test_each_counter_is_compared_with_its_own_past(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    kept = [("memory.oom_kills", NOW - 2 * HOUR, 1.0), ("network.syn_flood", NOW - HOUR, 10.0)]
    for series, at, value in kept:
        run(path, at, figure(value, series=series))
    metrics: dict[str, Any] = {name: {"since_boot": 15} for name in ("oom_kills", "listen_drops", "syn_flood")}
    with FigureHistory.opened(str(path), now=NOW, read_only=True) as past:
        last_runs = count_since_last_run({**metrics, "uptime_seconds": 90_000.0}, past)
    assert {name: row["since_last_run"] for name, row in metrics.items()} == {"oom_kills": 14, "listen_drops": None, "syn_flood": 5}
    assert last_runs == {"oom_kills": NOW - 2 * HOUR, "listen_drops": None, "syn_flood": NOW - HOUR}


def test_what_is_not_measured_is_not_counted() -> None:
    metrics: dict[str, Any] = {"oom_kills": None, "listen_drops": None, "syn_flood": None, "uptime_seconds": None}
    count_since_last_run(metrics, FigureHistory(NOW))
    assert set(metrics.values()) == {None}
