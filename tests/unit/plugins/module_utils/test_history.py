"""History is bounded, survives a kill, and a corrupt file costs the trend and nothing else."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils import history
from ansible_collections.upkeep.runbook.plugins.module_utils.history import HistoryProblem, Point, may_be_written, open_history

NOW = datetime(2026, 11, 22, 1, 43, 56, tzinfo=timezone.utc)
LONG_AGO = NOW - timedelta(days=1000)


def store(path: Path, *points: Point, at: datetime = NOW) -> history.History:
    with open_history(path, now=at) as opened:
        opened.append(points)
    return opened


def test_values_are_ordered_thinned_and_keep_the_newest(tmp_path: Path) -> None:
    path = tmp_path / "state" / "history.sqlite"
    for minute in (3, 1, 2, 0, 4):
        store(path, Point("cpu", float(minute), "ok"), at=NOW + timedelta(minutes=minute))
    with open_history(path, now=NOW + timedelta(minutes=4)) as opened:
        assert [value for _at, value, _status in opened.values("cpu", since=LONG_AGO)] == [0, 1, 2, 3, 4]
        assert [value for _at, value, _status in opened.values("cpu", since=LONG_AGO, limit=2)] == [1, 4]
        assert [value for _at, value, _status in opened.values("cpu", since=NOW + timedelta(minutes=3))] == [3, 4]
        assert opened.last("cpu") == (NOW + timedelta(minutes=4), 4.0, "ok")
        assert opened.last("other") is None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_points_of_a_clock_that_was_ahead_are_no_past(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    store(path, Point("restarts", 1.0, "ok"), at=NOW - timedelta(minutes=5))
    store(path, Point("restarts", 9.0, "critical"), at=NOW + timedelta(days=30))
    with open_history(path, now=NOW) as opened:
        assert opened.last("restarts") == (NOW - timedelta(minutes=5), 1.0, "ok")
        assert len(opened.values("restarts", since=LONG_AGO)) == 1
        assert opened.share_ok("restarts", since=LONG_AGO) == 100.0


def test_share_ok_knows_the_difference_between_nothing_and_never(tmp_path: Path) -> None:
    path = tmp_path / "h"
    for minute, status in enumerate(["ok", "critical", "ok", "unknown", ""]):
        store(path, Point("web", None, status), at=NOW + timedelta(minutes=minute))
    store(path, Point("down", None, "critical"))
    with open_history(path, now=NOW + timedelta(minutes=4)) as opened:
        assert opened.share_ok("web", since=LONG_AGO) == 50.0
        assert opened.share_ok("down", since=LONG_AGO) == 0.0
        assert opened.share_ok("web", since=NOW + timedelta(days=1)) is None


def test_old_rows_long_series_and_too_many_series_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MAX_ROWS_PER_SERIES", 3)
    monkeypatch.setattr(history, "MAX_SERIES", 2)
    path = tmp_path / "h"
    store(path, Point("ancient", 1.0, ""), at=NOW - timedelta(days=401))
    for minute in range(5):
        store(path, Point("cpu", float(minute), ""), at=NOW + timedelta(minutes=minute))
    for hour, name in enumerate(["a", "b"], start=1):
        store(path, Point(name, 0.0, ""), at=NOW + timedelta(hours=hour))
    rows = sqlite3.connect(str(path)).execute("SELECT series, value FROM points ORDER BY series, at").fetchall()
    assert rows == [("a", 0.0), ("b", 0.0)]
    path.unlink()
    for minute in range(5):
        store(path, Point("cpu", float(minute), ""), at=NOW + timedelta(minutes=minute))
    assert sqlite3.connect(str(path)).execute("SELECT value FROM points ORDER BY at").fetchall() == [(2.0,), (3.0,), (4.0,)]


@pytest.mark.parametrize("damage", ["garbage", "truncated", "flipped", "other schema"])
def test_a_corrupt_file_is_set_aside_named_and_begun_anew(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "h"
    for minute in range(200):
        store(path, Point(f"series {minute}", 1.0, "ok"), at=NOW - timedelta(minutes=minute))
    content = path.read_bytes()
    if damage == "garbage":
        path.write_bytes(b"no database at all" * 500)
    elif damage == "truncated":
        path.write_bytes(content[:6000])
    elif damage == "flipped":
        path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    else:
        path.write_bytes(b"")
        connection = sqlite3.connect(str(path))
        connection.execute("CREATE TABLE points (something TEXT)")
        connection.commit()
        connection.close()
    if damage == "other schema":
        with pytest.raises(HistoryProblem, match="cannot be used"):
            store(path, Point("cpu", 1.0, "ok"))
        return
    opened = store(path, Point("cpu", 1.0, "ok"))
    assert opened.set_aside is not None and Path(opened.set_aside).exists()
    with open_history(path, now=NOW) as again:
        assert again.last("cpu") == (NOW, 1.0, "ok")
        assert again.set_aside is None


def test_set_aside_files_are_bounded(tmp_path: Path) -> None:
    path = tmp_path / "h"
    for minute in range(6):
        path.write_bytes(b"garbage" * 1000)
        store(path, Point("cpu", 1.0, "ok"), at=NOW + timedelta(minutes=minute))
    assert len(list(tmp_path.glob("h.corrupt-*"))) == history.MAX_SET_ASIDE_FILES


def test_read_only_touches_nothing(tmp_path: Path) -> None:
    missing = tmp_path / "state" / "h"
    with open_history(missing, now=NOW, read_only=True) as opened:
        opened.append([Point("cpu", 1.0, "ok")])
        assert opened.values("cpu", since=LONG_AGO) == []
        assert opened.share_ok("cpu", since=LONG_AGO) is None
    assert not missing.parent.exists()
    corrupt = tmp_path / "corrupt"
    corrupt.write_bytes(b"garbage" * 1000)
    with open_history(corrupt, now=NOW, read_only=True) as opened:
        assert opened.last("cpu") is None
        assert opened.set_aside == ""
    assert os.listdir(tmp_path) == ["corrupt"]


@pytest.mark.parametrize(
    ("path", "writable"),
    [("state/history.sqlite", True), ("new/folders/history.sqlite", True), ("state/file/history.sqlite", False)],
)
def test_where_a_history_may_be_written(tmp_path: Path, path: str, writable: bool) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state/file").write_text("")
    assert may_be_written(tmp_path / path) is writable


def test_a_counter_of_any_size_is_kept(tmp_path: Path) -> None:
    store(tmp_path / "history.sqlite", Point("bytes", 2**64, ""))
    with open_history(tmp_path / "history.sqlite", now=NOW) as opened:
        assert opened.last("bytes") == (NOW, 2.0**64, "")


@pytest.mark.parametrize("value", ["'x'", "x'00'", "9e999"])
def test_what_is_no_figure_is_none(tmp_path: Path, value: str) -> None:
    path = tmp_path / "history.sqlite"
    store(path, Point("cpu", 1.0, "ok"), at=NOW - timedelta(minutes=1))
    store(path, Point("cpu", 2.0, "ok"))
    with sqlite3.connect(path) as connection:
        connection.execute(f"UPDATE points SET value = {value} WHERE value = 2.0")
    connection.close()
    with open_history(path, now=NOW, read_only=True) as opened:
        assert [row[1] for row in opened.values("cpu", since=LONG_AGO)] == [1.0, None]
        assert opened.last("cpu") == (NOW, None, "ok")


@pytest.mark.parametrize("read_only", [True, False])
def test_a_pipe_in_its_place_is_not_waited_for(tmp_path: Path, read_only: bool) -> None:
    path = tmp_path / "history.sqlite"
    os.mkfifo(path)
    with open_history(path, now=NOW, read_only=read_only) as opened:
        with pytest.raises(HistoryProblem, match="is no file"):
            opened.last("cpu")
    assert stat.S_ISFIFO(path.stat().st_mode), "it is nobody's damaged history"


def test_a_directory_in_its_place_is_a_clear_problem(tmp_path: Path) -> None:
    with pytest.raises(HistoryProblem, match="cannot open the history"):
        store(tmp_path, Point("cpu", 1.0, "ok"))


WRITER = """
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from ansible_collections.upkeep.runbook.plugins.module_utils.history import Point, open_history
number = int(sys.argv[2])
while True:
    number += 1
    at = datetime.fromtimestamp(1_700_000_000 + number, timezone.utc)
    with open_history(Path(sys.argv[1]), now=at) as opened:
        opened.append([Point(f"s{index}", float(number), "ok") for index in range(20)])
    print(number, flush=True)
"""


def test_sigkill_while_writing_leaves_whole_transactions(tmp_path: Path) -> None:
    path = tmp_path / "h"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    generator = random.Random(7)
    confirmed = 0
    for _round in range(int(os.environ.get("FAULT_RUNS", "5"))):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), str(confirmed)], stdout=subprocess.PIPE, text=True, env=environment
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(generator.random() * 0.2)
        process.send_signal(signal.SIGKILL)
        rest = process.communicate()[0].split()
        confirmed = max([confirmed, *map(int, rest)])
        with open_history(path, now=datetime.fromtimestamp(1_700_000_000 + confirmed, timezone.utc)) as opened:
            newest = {series: opened.last(series) for series in (f"s{index}" for index in range(20))}
            assert opened.set_aside is None
        values = {row[1] for row in newest.values() if row is not None}
        assert len(values) == 1, "a transaction is there whole or not at all"
        assert values.pop() >= confirmed, "what was confirmed is there"
