"""Times at the beginnings of lines, and the place in a log where a moment is."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.line_times import SinceFilter, offset_since, time_of

NOW = datetime(2026, 11, 22, 6, 0, tzinfo=timezone.utc)
FIVE = datetime(2026, 11, 22, 5, 0, tzinfo=timezone.utc)


@pytest.fixture(autouse=True)
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Etc/GMT-2")  # two hours ahead of UTC
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("line", "moment"),
    [
        (b"2026-11-22T05:00:00.123Z info: x", FIVE),
        (b"[2026-11-22 05:00:00,1 +0000] x", FIVE),
        (b"2026-11-22T06:00:00+01:00 x", FIVE),
        (b"2026-11-22 07:00:00 local", FIVE),
        (b"2026/11/22 07:00:00 [error] nginx", FIVE),
        (b'10.0.0.1 - - [22/Nov/2026:05:00:00 +0000] "GET / HTTP/1.1"', FIVE),
        (b"Nov 22 07:00:00 host app: x", FIVE),
        (b"Dec  1 07:00:00 host app: x", datetime(2025, 12, 1, 5, 0, tzinfo=timezone.utc)),
        (b'{"level":30,"time":1795323600000,"msg":"x"}', FIVE),
        (b'{"ts":1795323600,"msg":"x"}', FIVE),
        (b"2026-99-22T05:00:00Z", None),
        (b"    at x (y)", None),
        (b"", None),
        (b"\xff" * 300 + b"2026-11-22T05:00:00Z", None),
    ],
)
def test_when_a_line_was_written(line: bytes, moment: datetime | None) -> None:
    assert time_of(line, NOW) == moment


@pytest.mark.parametrize("minutes", [-5, 0, 1, 1000, 2999, 5000])
@pytest.mark.parametrize("width", [10, 300])
def test_reading_begins_at_the_first_line_since_a_moment(tmp_path: Path, minutes: int, width: int) -> None:
    log = tmp_path / "app.log"
    start = FIVE - timedelta(days=3)
    log.write_text("".join(f"{start + timedelta(minutes=n):%Y-%m-%dT%H:%M:%SZ} {n} {'x' * width}\n    at y\n" for n in range(3000)))
    since = start + timedelta(minutes=minutes)
    descriptor = os.open(log, os.O_RDONLY)
    offset = offset_since(descriptor, log.stat().st_size, since, NOW)
    os.close(descriptor)
    data = log.read_bytes()
    assert offset == 0 or data[offset - 1 : offset] == b"\n"
    rest = SinceFilter(since, NOW).cut(data[offset:])
    assert rest.count(b"Z ") == max(0, min(3000, 3000 - minutes))


def test_a_log_whose_times_are_not_understood_is_read_whole() -> None:
    cut = SinceFilter(FIVE, NOW).cut
    assert cut(b"no time\nhere\n") == b"no time\nhere\n" and cut(b"2026-11-22T04:00:00Z x\n") != b""
    late = SinceFilter(FIVE, NOW).cut
    assert late(b"2026-11-22T04:00:00Z x\nmore\n") == b"" and late(b"more\n2026-11-22T05:00:00Z y\nz\n") == b"2026-11-22T05:00:00Z y\nz\n"
