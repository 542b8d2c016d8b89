"""Times of lines: padded days, years that nobody wrote, ISO 8601 with zones; and what is no line."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timezone

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.authentication.syslog_lines import (
    Calendar,
    count_new_years,
    is_traditional,
    read_line,
)


@pytest.fixture
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def stamp(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc).timestamp()


def times(lines: list[str], last_change: str) -> list[str | None]:
    """Return the times of the lines of a file as it is read: counted first, then dated."""
    lines = [f"{line} host sshd[1]: x" for line in lines]
    calendar = Calendar(
        datetime.fromisoformat(last_change).replace(tzinfo=timezone.utc), count_new_years(line.encode() for line in lines)
    )
    found = [read_line(line, calendar) for line in lines]
    return [None if line is None else datetime.fromtimestamp(line.at, timezone.utc).strftime("%Y-%m-%d %H:%M:%S") for line in found]


@pytest.mark.usefixtures("utc")
@pytest.mark.parametrize(
    ("lines", "last_change", "expected"),
    [
        (["Nov  5 06:07:08"], "2026-11-05T06:07:08", ["2026-11-05 06:07:08"]),
        (["Nov 05 06:07:08"], "2026-11-05T06:07:08", ["2026-11-05 06:07:08"]),
        (["Dec 31 23:59:59", "Jan  1 00:00:01"], "2027-01-01T00:00:01", ["2026-12-31 23:59:59", "2027-01-01 00:00:01"]),
        (["Jan  1 00:00:00", "Dec 31 23:59:59", "Jan  1 00:00:02"], "2027-01-01T00:00:02",
         ["2027-01-01 00:00:00", "2026-12-31 23:59:59", "2027-01-01 00:00:02"]),
        # A log of fourteen months: its first lines are of the same days as its last ones, and a year older.
        (["Nov 20 01:00:00", "Mar  1 01:00:00", "Jul  1 01:00:00", "Nov 28 01:00:00", "Jan  2 01:00:00"], "2027-01-02T01:00:00",
         ["2025-11-20 01:00:00", "2026-03-01 01:00:00", "2026-07-01 01:00:00", "2026-11-28 01:00:00", "2027-01-02 01:00:00"]),
        # Nothing was written for more than half a year.
        (["Jan  5 01:00:00", "Sep 10 01:00:00"], "2026-09-10T01:00:00", ["2026-01-05 01:00:00", "2026-09-10 01:00:00"]),
        # The clock was set back a little.
        (["Nov 28 10:00:00", "Nov 27 10:00:00"], "2026-11-28T10:00:00", ["2026-11-28 10:00:00", "2026-11-27 10:00:00"]),
        (["Feb 29 10:00:00"], "2026-03-01T10:00:00", ["2024-02-29 10:00:00"]),
        (["Feb 30 10:00:00"], "2026-03-01T10:00:00", [None]),
        (["Xyz 12 10:00:00"], "2026-03-01T10:00:00", [None]),
        (["2026-11-05T06:07:08.123456+01:00"], "2026-11-05T06:07:08", ["2026-11-05 05:07:08"]),
        (["2026-11-05T06:07:08-0330"], "2026-11-05T06:07:08", ["2026-11-05 09:37:08"]),
        (["2026-11-05T06:07:08Z"], "2020-01-01T00:00:00", ["2026-11-05 06:07:08"]),
        (["2026-13-05T06:07:08Z"], "2020-01-01T00:00:00", [None]),
        (["<38>Nov  5 06:07:08"], "2026-11-05T06:07:08", ["2026-11-05 06:07:08"]),
    ],
)
def test_the_time_of_a_line(lines: list[str], last_change: str, expected: list[str | None]) -> None:
    assert times(lines, last_change) == expected


def test_a_traditional_time_is_of_the_zone_of_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        assert times(["Jul  5 06:07:08", "Nov  5 06:07:08"], "2026-11-05T06:00:00") == ["2026-07-05 04:07:08", "2026-11-05 05:07:08"]
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("rest", "program", "process", "text"),
    [
        ("sshd[12]: Failed x", "sshd", 12, "Failed x"),
        ("sshd-session[12]: Failed x", "sshd-session", 12, "Failed x"),
        ("sudo:   alice : x", "sudo", 0, "  alice : x"),
        ("(sshd)[12]: x", "sshd", 12, "x"),
        ("su: (to root) alice on pts/0", "su", 0, "(to root) alice on pts/0"),
    ],
)
def test_the_parts_of_a_line(rest: str, program: str, process: int, text: str) -> None:
    line = read_line(f"2026-11-05T06:07:08Z host {rest}", Calendar(datetime.now(timezone.utc), 0))
    assert line == (stamp("2026-11-05T06:07:08"), program, process, text)


@pytest.mark.parametrize("text", [
    "", "Failed password for root from 192.0.2.7 port 2 ssh2", "Nov  5", "\0" * 50,
    "2026-11-05T06:07:08Z", "2026-11-05T06:07:08Z host", "2026-11-05T06:07:08Z host no program",
])
def test_what_is_no_line(text: str) -> None:
    assert read_line(text, Calendar(datetime.now(timezone.utc), 0)) is None


def test_which_dates_need_a_year() -> None:
    assert is_traditional(b"Nov  5 06:07:08 host x: y") and not is_traditional(b"2026-11-05T06:07:08Z host x: y")
