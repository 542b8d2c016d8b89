"""A scan from options to checks: what is remembered, what is refused to be read, and what is said."""

from __future__ import annotations

import gzip
import json
import os
import stat
import threading
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.locking import LockOwner, exclusive_lock
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning import inspection
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.options import read_options
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.log_scanning.scanning import Place, whole_options


def test_the_second_kind_of_error_is_new_and_the_first_is_not(place: Place) -> None:
    place.write("ERROR user 1 failed")
    place.scan()
    assert place.check("log.new_signatures")["status"] == "ok"
    place.write("ERROR user 2 failed", "ERROR order 5 lost", "ERROR order 6 lost")
    place.scan()
    row = place.check("log.new_signatures")
    assert row["status"] == "warning" and row["value"] == 1
    (new,) = place.answer["new_signatures"]
    assert (new["group"], new["signature"], new["count"], new["sample"]) == ("app", "ERROR order <n> lost", 2, "ERROR order 5 lost")
    place.write("ERROR order 7 lost")
    place.scan()
    assert place.check("log.new_signatures")["status"] == "ok" and place.answer["new_signatures"] == []


def test_check_mode_writes_nothing_and_sees_the_same(place: Place) -> None:
    place.write("ERROR a")
    place.scan(check_mode=True)
    assert not place.state.exists()
    assert place.errors() == 1
    before = {path: path.read_bytes() for path in place.state.rglob("*") if path.is_file()}
    place.write("ERROR b")
    assert place.errors(check_mode=True) == place.errors(check_mode=True) == 1
    assert {path: path.read_bytes() for path in place.state.rglob("*") if path.is_file()} == before
    assert place.errors() == 1


def test_what_is_remembered_is_private_and_holds_no_line(place: Place) -> None:
    place.write("ERROR password=hunter2 for someone")
    place.scan()
    assert stat.S_IMODE(place.memory.stat().st_mode) == 0o600 and stat.S_IMODE(place.memory.parent.stat().st_mode) == 0o700
    assert "hunter2" not in place.memory.read_text() and "someone" not in place.memory.read_text()
    assert "hunter2" not in json.dumps(place.answer)


def test_without_a_cursor_everything_is_looked_at_and_nothing_remembered(place: Place) -> None:
    place.write("ERROR a")
    assert place.errors() == 1
    before = place.memory.read_bytes()
    assert place.errors(cursor=False) == place.errors(cursor=False) == 1
    assert place.memory.read_bytes() == before


def test_a_storm_is_told_by_the_earlier_runs(place: Place) -> None:
    now = utc_now() - timedelta(days=8)
    for _day in range(7):
        now += timedelta(days=1)
        place.write("ERROR usual")
        place.scan(now=now)
        assert place.check("log.errors")["status"] == "ok", place.answer
    forget_boot(place)
    place.write(*["ERROR usual"] * 500)
    place.scan(now=now + timedelta(days=1), warning_per_minute=100, critical_per_minute=1000)
    row = place.check("log.errors")
    assert row["status"] == "warning" and "unusual:" in row["summary"] and "6 runs" in row["summary"]
    assert json.loads(place.memory.read_text())["points"][-1][1] == pytest.approx(500 / 1440, abs=0.001)


@pytest.fixture(autouse=True)
def no_boot(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let time be what the tests say: by the clock of the kernel all their runs are of one moment."""
    monkeypatch.setattr(inspection, "boot_clock", lambda: ("", 0.0))


def forget_boot(place: Place) -> None:
    assert json.loads(place.memory.read_text())["clock"] == ["", 0.0]


def test_a_clock_that_was_set_back_loses_no_line_and_makes_no_rate(place: Place) -> None:
    now = utc_now()
    place.write("ERROR a")
    place.scan(now=now + timedelta(days=400))
    place.log.rename(place.logs / "app.log.1")
    place.write("ERROR b", name="app.log.1")
    place.write("ERROR c")
    assert place.errors(now=now) == 2
    assert place.check("log.readable")["status"] == "warning" and "clock" in place.check("log.readable")["summary"]
    assert place.answer["groups"][0]["errors_per_minute"] is None
    assert json.loads(place.memory.read_text())["points"] == []


def test_a_clock_that_was_set_forward_makes_no_point_of_the_baseline(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    now = utc_now()
    place.write("ERROR a")
    monkeypatch.setattr(inspection, "boot_clock", lambda: ("boot", 1000.0))
    place.scan(now=now)
    place.write(*["ERROR a"] * 100)
    monkeypatch.setattr(inspection, "boot_clock", lambda: ("boot", 1600.0))
    place.scan(now=now + timedelta(days=10))
    assert "set forward" in place.check("log.readable")["summary"]
    assert place.check("log.errors")["value"] == 10.0, "in the ten minutes that have passed, not in ten days"
    assert json.loads(place.memory.read_text())["points"] == []


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"schema": 99}', b'{"schema":1}', b"\xff" * 100, b"[" * 100_000])
def test_a_damaged_memory_is_set_aside_and_said(place: Place, damage: bytes) -> None:
    place.write("ERROR a")
    place.scan()
    place.memory.write_bytes(damage)
    assert place.errors(check_mode=True) == 1 and place.memory.read_bytes() == damage
    assert place.errors() == 1
    row = place.check("log.cursor")
    assert row["status"] == "warning" and "app.json.damaged" in row["summary"]
    assert (place.memory.parent / "app.json.damaged").read_bytes() == damage
    assert place.errors() == 0


def test_every_field_of_the_memory_may_be_damaged(place: Place) -> None:
    place.write("ERROR a")
    place.scan()
    whole = json.loads(place.memory.read_text())
    for field in whole:
        for wrong in (None, "x", [1], {"a": "b"}, [[1, 2]], -1, 1e300, float("nan"), [[float("inf"), 1]], ["boot", float("nan")]):
            place.memory.write_text(json.dumps({**whole, field: wrong}))
            place.scan()  # whatever it is, it is no crash
            assert place.check("log.readable")
    (record,) = whole["records"]
    for position in range(len(record)):
        place.memory.write_text(json.dumps({**whole, "records": [[*record[:position], float("nan"), *record[position + 1 :]]]}))
        assert place.scan() and place.check("log.readable")


def test_another_run_at_the_same_group_is_waited_for_and_then_said(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "_LOCK_SECONDS", 0.2)
    place.write("ERROR a")
    place.scan()
    place.write("ERROR b")
    with exclusive_lock(place.memory.with_suffix(".lock"), LockOwner("other-run", "daily", "now")):
        place.scan()
        row = place.check("log.cursor")
        assert row["status"] == "unknown" and "other-run" in row["summary"] and place.answer["status"] == "unknown"
    assert place.errors() == 1


@pytest.mark.parametrize("kind", ["fifo", "folder", "socket", "zip", "foreign link", "loop", "damaged", "gz cut off"])
def test_what_is_no_log_is_unknown_and_hangs_nothing(place: Place, kind: str) -> None:
    path = place.logs / "odd.log"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "socket":
        os.mknod(path, stat.S_IFSOCK | 0o600)
    elif kind == "zip":
        path.write_bytes(b"PK\x03\x04" + b"x" * 100)
    elif kind == "foreign link":
        path.symlink_to("/etc/passwd")
        os.lchown(path, 12345, 12345)
    elif kind == "loop":
        path.symlink_to(path)
    else:
        data = gzip.compress(os.urandom(20_000) + b"\nERROR a\n" + os.urandom(50_000))
        path.write_bytes(data[: len(data) // 2] if "cut" in kind else data[:10_000] + b"\0" * 50 + data[10_050:])
    place.write("ERROR fine")
    groups = [{"name": "app", "paths": [str(place.log), str(path)]}]
    # What comes before the end of an archive that is cut off counts, once.
    for errors in (2 if "cut" in kind else 1, 0, 0):
        assert place.errors(groups=groups) == errors
        row = place.check("log.readable")
        assert row["status"] == "unknown" and "odd.log" in row["summary"] and row["hint"], row


@pytest.fixture
def own_user() -> Any:
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(12345)
    yield
    os.seteuid(0)


def test_a_log_that_may_not_be_read_is_unknown(place: Place, own_user: None) -> None:
    os.seteuid(os.getuid())
    place.write("ERROR a").chmod(0)
    for folder in (place.logs, place.logs.parent):
        folder.chmod(0o755)
    for folder in place.logs.parents:
        if folder.stat().st_uid == os.geteuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o011)
    os.seteuid(12345 if os.getuid() == 0 else os.getuid())
    place.scan(cursor=False)
    assert "may not be read" in place.check("log.readable")["summary"] and "root" in place.check("log.readable")["hint"]
    os.seteuid(os.getuid())


def test_ignores_are_used_expire_and_are_missed(place: Place) -> None:
    now = utc_now()
    known = {"literal": "ECONNRESET", "reason": "Browsers do that.", "expires": (now + timedelta(days=60)).strftime("%Y-%m-%d")}
    other = {"regex": "never seen", "reason": "Old.", "expires": "2999-01-01"}
    old = {"literal": "lost", "reason": "Decided long ago.", "expires": "2020-01-01"}
    place.write("ERROR ECONNRESET", "ERROR lost")
    assert place.errors(ignore=[known, other, old], now=now) == 1
    assert [place.check("log.ignore", subject)["status"] for subject in ("ECONNRESET", "never seen", "lost")] == ["ok", "ok", "warning"]
    place.write("ERROR ECONNRESET")
    place.scan(ignore=[known, other], now=now + timedelta(days=29))
    assert place.check("log.ignore", "never seen")["status"] == "ok"
    place.scan(ignore=[known, other], now=now + timedelta(days=31))
    assert place.check("log.ignore", "never seen")["status"] == "warning"
    assert place.check("log.ignore", "ECONNRESET")["status"] == "ok", "it fitted a line two days ago"


def test_groups_have_their_own_patterns_limits_and_memory(place: Place) -> None:
    groups = [
        {"name": "app", "paths": [str(place.write("ERROR slow", "ERROR slow"))], "critical_count": 2},
        {"name": "web / 1".replace("/", "-"), "paths": [str(place.write("ERROR slow", name="web.log"))], "levels": False},
    ]
    patterns = [{"name": "slow", "literal": "slow", "severity": "critical", "groups": ["app"]}, {"name": "any", "regex": "E.*", "severity": "info"}]
    place.scan(groups=groups, patterns=patterns)
    assert place.check("log.errors")["status"] == "critical" and place.check("log.errors")["subject"] == "app"
    assert {row["subject"] for row in place.answer["checks"] if row["check"] == "log.pattern"} == {"app/slow", "app/any", "web - 1/any"}
    assert len(list(place.memory.parent.glob("*.json"))) == 2
    folded = place.scan(groups=groups, patterns=patterns, return_all=False)
    assert folded["groups"] == [] and [row.get("folded") for row in folded["checks"] if row["check"] == "log.readable"] == [2]


def test_a_pattern_that_never_ends_is_named_and_nothing_counts(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "_GRACE_SECONDS", 0.0)
    place.write("ERROR " + "a" * 60 + "b")
    bad = [{"name": "endless", "regex": "(a+)+$"}]
    place.scan(patterns=bad, timeout_seconds=1)
    row = place.check("log.readable")
    assert row["status"] == "unknown" and "'endless' took too long" in row["summary"]
    assert place.check("log.pattern")["status"] == "unknown" and not place.memory.exists()
    assert place.errors() == 1


def test_what_is_not_read_in_time_is_read_by_the_next_run(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = 12_000
    place.write(*(f"ERROR number {number} of many in a log of several blocks" for number in range(lines)))
    place.write("ERROR more", name="app.log.1")
    monkeypatch.setattr("ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.reading.Course.late", True)
    found = [place.errors()]
    assert 0 < found[0] < lines + 1 and "next run goes on" in place.check("log.readable")["summary"]
    assert not place.answer["groups"][0]["complete"]
    for _run in range(20):
        found.append(place.errors())
        if not found[-1]:
            break
    assert sum(found) == lines + 1


def test_a_thread_that_writes_meanwhile_is_no_trouble(place: Place) -> None:
    stop = threading.Event()
    written = [0]

    def write() -> None:
        while not stop.is_set():
            place.write("ERROR x")
            written[0] += 1

    place.write("INFO begin")
    thread = threading.Thread(target=write)
    thread.start()
    found = sum(place.errors() for _run in range(5))
    stop.set()
    thread.join()
    assert found + place.errors() == written[0]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"groups": []}, "groups is empty"),
        ({"groups": [{"name": "a/b", "paths": ["/x"]}]}, "groups[0].name"),
        ({"groups": [{"name": "a", "paths": ["x"]}]}, "absolute path"),
        ({"groups": [{"name": "a", "paths": ["/x/../y"]}]}, "absolute path"),
        ({"groups": [{"name": "a"}]}, "exactly one of paths, journal"),
        ({"groups": [{"name": "a", "paths": ["/x"], "journal": {}}]}, "exactly one of paths, journal"),
        ({"groups": [{"name": "a", "paths": ["/x"]}] * 2}, "given twice"),
        ({"groups": [{"name": "a", "journal": {"units": ["--file=/etc/shadow"]}}]}, "no name of a unit"),
        ({"groups": [{"name": "a", "journal": {"priority": "loud"}}]}, "groups[0].journal.priority"),
        ({"groups": [{"name": "a", "paths": ["/x"], "warning_count": 9, "critical_count": 5}]}, "groups[0].warning_count is 9"),
        ({"groups": [{"name": "a", "paths": ["/x"], "warning_per_minute": 11}]}, "critical_per_minute, which is 10"),
        ({"warning_count": -1}, "warning_count"),
        ({"patterns": [{"name": "p", "regex": "("}]}, "patterns[0].regex"),
        ({"patterns": [{"name": "p", "regex": "a"}] * 2}, "given twice"),
        ({"patterns": [{"name": "p", "regex": "a", "groups": ["b"]}]}, "none of the groups"),
        ({"ignore": [{"literal": "a", "reason": " ", "expires": "2027-01-01"}]}, "ignore[0].reason is empty"),
        ({"ignore": [{"literal": "a", "reason": "b", "expires": "soon"}]}, "ignore[0].expires"),
        ({"since": "yesterday"}, "since"), ({"since": "2026-01-01T00:00:00"}, "since"), ({"since": "999999d"}, "since"),
        ({"timeout_seconds": 0}, "timeout_seconds"), ({"max_matches": 5000}, "max_matches"),
        ({"new_signatures_warning": 5, "new_signatures_critical": 2}, "new_signatures_warning is 5"),
    ],
)  # fmt: skip
def test_wrong_options_are_named(options: dict[str, Any], words: str) -> None:
    given = whole_options({"groups": [{"name": "a", "paths": ["/x"]}], **options})
    with pytest.raises(UpkeepError) as caught:
        read_options(given, datetime(2026, 11, 22, tzinfo=timezone.utc))
    assert words in caught.value.message
