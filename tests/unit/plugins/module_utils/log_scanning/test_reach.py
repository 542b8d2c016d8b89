"""How far back the journal reaches, beside the window and the age of the host; and when a silent kernel is an answer."""

from __future__ import annotations

import json
import os
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning import reach
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.journal import filter_arguments
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.options import Journal
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.reach import Reach, reach_check
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.log_scanning.scanning import Place

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=timezone.utc)
WEEK = NOW - timedelta(days=7)
#: Answers with a file for the kernel, one for systemd, and one for the oldest entry, which is asked without either.
PROGRAM = """#!/bin/sh
echo "$*" >> {0}/calls
case "$*" in
    *_TRANSPORT=kernel*) cat {0}/kernel 2>&1 ;;
    *_PID=1*) cat {0}/systemd ;;
    *--system*) cat {0}/oldest ;;
esac
"""
HOUR = 3600.0
YEAR = 365 * 24 * HOUR


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


@pytest.mark.parametrize(
    ("begins", "installed", "status", "words"),
    [
        (ago(30), ago(400), "ok", "30 days ago."),
        (ago(30), None, "ok", "30 days ago."),
        (ago(6.98), ago(400), "ok", "6 days ago."),  # within the hour
        (ago(2), ago(400), "unknown", "in the first 5 days of the time that is looked at"),
        (ago(2), None, "unknown", "in the first 5 days"),
        (ago(2), ago(2.01), "ok", "as old as the host itself"),
        (ago(2), ago(1), "ok", "as old as the host itself"),  # the installer wrote there, too
        (ago(2), ago(3), "unknown", "in the first 5 days"),  # the host is young, and has lost a day all the same
        (ago(2), ago(8), "unknown", "in the first 5 days"),
        (None, ago(400), "unknown", "nobody can tell"),
    ],
)
def test_beside_a_week(begins: datetime | None, installed: datetime | None, status: str, words: str) -> None:
    row = reach_check("units", Reach(begins, installed), WEEK, 12, NOW)
    assert (row["check"], row["subject"], row["status"]) == ("log.reach", "units", status)
    assert words in row["summary"] and bool(row.get("hint")) == (status != "ok")
    assert begins is None or "12 lines" in row["summary"] and row["unit"] == "days"


def test_what_begins_nowhere_is_whole() -> None:
    assert reach_check("units", Reach(ago(0.1)), "beginning", 0, NOW)["status"] == "ok"


@pytest.fixture
def answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    program = tmp_path / "journalctl"
    program.write_text(PROGRAM.format(tmp_path))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(reach, "_MACHINE_ID", str(tmp_path / "machine-id"))
    monkeypatch.setattr(reach, "_CONTAINER", str(tmp_path / "container"))
    return tmp_path


def entry(seconds: float, message: str = "x", priority: int = 6) -> str:
    moment = int((time.time() - seconds) * 1e6)
    return json.dumps({"__CURSOR": "s=1", "__REALTIME_TIMESTAMP": str(moment), "MESSAGE": message, "PRIORITY": str(priority)}) + "\n"


def group(source: str, **more: Any) -> dict[str, Any]:
    return {"name": source, "journal": {"sources": [source], "reach": True}, **more}


def look(place: Place, *sources: str) -> dict[str, str]:
    place.scan(groups=[group(source) for source in sources], cursor=False, since="7d")
    return {f"{row['check']} {row['subject']}": row["status"] for row in place.answer["checks"]}


def test_only_what_the_kernel_and_systemd_wrote_is_asked_for(place: Place, answers: Path) -> None:
    (answers / "kernel").write_text(entry(HOUR, "EXT4-fs error (device sda1)", 2))
    (answers / "systemd").write_text(entry(HOUR, "Started x.") + entry(HOUR, "y.service: Failed with result 'exit-code'.", 4))
    (answers / "oldest").write_text(entry(YEAR) + entry(1))
    seen = look(place, "kernel", "systemd")
    assert (seen["log.reach kernel"], seen["log.reach systemd"], seen["log.readable kernel"]) == ("ok", "ok", "ok")
    kernel, units = place.answer["groups"]
    assert (kernel["lines"], kernel["errors"], units["lines"], units["levels"]["warning"]) == (1, 1, 2, 1)
    assert kernel["journal_begins"] == units["journal_begins"] != NOW.isoformat()
    assert "compared with those of no other run" in place.check("log.new_signatures", "kernel")["summary"]
    calls = (answers / "calls").read_text().splitlines()
    assert any("--since=@" in call and call.count("_TRANSPORT=kernel") == 1 for call in calls)
    assert not (place.state / "log-scan").exists()
    both = Journal((), (), "warning", ("kernel", "systemd"))
    assert filter_arguments(both) == ["--priority=warning", "_TRANSPORT=kernel", "+", "_PID=1"]


def test_a_host_is_young_by_its_machine_id(place: Place, answers: Path) -> None:
    (answers / "systemd").write_text(entry(HOUR))
    (answers / "oldest").write_text(entry(24 * HOUR))
    assert look(place, "systemd")["log.reach systemd"] == "unknown"  # nobody knows how old it is
    (answers / "machine-id").write_text("x")
    for age, status in ((24 * HOUR + 60, "ok"), (30 * 24 * HOUR, "unknown")):
        os.utime(answers / "machine-id", (0, time.time() - age))
        assert look(place, "systemd")["log.reach systemd"] == status
        assert place.check("log.readable")["status"] == place.check("log.errors")["status"] == "ok", "what is there was read"


@pytest.mark.parametrize(
    ("started_before", "begins", "container", "status"),
    [
        (100 * 24 * HOUR, 20 * 24 * HOUR, False, "ok"),  # what it wrote when it started is not kept any more
        (100 * 24 * HOUR, 20 * 24 * HOUR, True, "unknown"),
        (10 * 24 * HOUR, 20 * 24 * HOUR, False, "unknown"),  # it started since, and must have written
        (10 * 24 * HOUR, 10 * 24 * HOUR - 30, False, "unknown"),  # a journal in memory begins with the start
    ],
)
def test_a_silent_kernel(
    place: Place, answers: Path, monkeypatch: pytest.MonkeyPatch, started_before: float, begins: float, container: bool, status: str
) -> None:
    (answers / "kernel").write_text("")
    (answers / "oldest").write_text(entry(begins))
    if container:
        (answers / "container").touch()
    monkeypatch.setattr(reach.time, "clock_gettime", lambda _clock: started_before)
    seen = look(place, "kernel")
    assert (seen["log.readable kernel"], seen["log.errors kernel"]) == (status, status)


def test_a_silent_systemd_is_never_an_answer(place: Place, answers: Path) -> None:
    (answers / "systemd").write_text("")
    (answers / "oldest").write_text(entry(HOUR))
    assert look(place, "systemd")["log.readable systemd"] == "unknown"


@pytest.mark.parametrize("oldest", ["", "no JSON\n", '{"__REALTIME_TIMESTAMP": "soon"}\n', "[]\n", '{"__REALTIME_TIMESTAMP": "9999999999999999999999"}\n'])
def test_a_journal_that_says_nothing_of_its_beginning_is_unknown(place: Place, answers: Path, oldest: str) -> None:
    (answers / "systemd").write_text(entry(HOUR))
    (answers / "oldest").write_text(oldest)
    assert look(place, "systemd")["log.reach systemd"] == "unknown" and place.answer["groups"][0]["journal_begins"] is None


def test_sources_go_with_no_names(place: Place) -> None:
    for names in ({"units": ["a.service"]}, {"identifiers": ["cron"]}):
        with pytest.raises(UpkeepError, match="sources goes with neither units nor identifiers"):
            place.scan(groups=[{"name": "x", "journal": {"sources": ["kernel"], **names}}])
