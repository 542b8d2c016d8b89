"""A custody log: what was changed is found, what was cut off is told apart from it, and nothing that was noted is lost."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.custody import log_file
from ansible_collections.upkeep.runbook.plugins.module_utils.custody.chain import chain_check
from ansible_collections.upkeep.runbook.plugins.module_utils.custody.entries import Entry, Head, Writer, begins_line, line_of, read_head
from ansible_collections.upkeep.runbook.plugins.module_utils.custody.recording import keep_custody
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError

NOW = datetime(2026, 11, 28, 21, 0, 5, tzinfo=timezone.utc)
OPTIONS: dict[str, Any] = {
    "incident": "INC-42", "state": "recorded", "operator": "ada", "run_id": "20261128T210000Z-1a2b3c4d", "expected_head": None,
    "wait_seconds": 1.0,
}


def entry(number: int = 0, **more: Any) -> dict[str, Any]:
    return {"host": "web-1", "step": "isolate", "outcome": "done", "summary": f"step {number}", "details": {"n": number}, **more}


def keep(directory: Path, *entries: dict[str, Any], check_mode: bool = False, **more: Any) -> dict[str, Any]:
    return keep_custody({**OPTIONS, "directory": str(directory), "entries": list(entries), **more}, now=NOW, check_mode=check_mode)


def verify(directory: Path, expected: dict[str, Any] | None = None) -> dict[str, Any]:
    return keep(directory, state="verified", expected_head=expected)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log of five entries."""
    for number in range(1, 6):
        keep(tmp_path, entry(number))
    return tmp_path / "INC-42/custody.jsonl"


def test_entries_are_chained_and_private(tmp_path: Path) -> None:
    first = keep(tmp_path / "incidents", entry(1), entry(2))
    assert first["changed"] and first["recorded"] == [1, 2] and first["status"] == "ok"
    second = keep(tmp_path / "incidents", entry(3, summary="evil\nline \x1b[31m \udcff", host="wëb"))
    path = Path(second["path"])
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert [line["sequence"] for line in lines] == [1, 2, 3]
    assert [line["previous"] for line in lines] == ["0" * 64, lines[0]["sha256"], lines[1]["sha256"]]
    assert second["head"] == {"sequence": 3, "sha256": lines[2]["sha256"]}
    assert lines[0] == {
        "sequence": 1, "time": "2026-11-28T21:00:05Z", "run_id": OPTIONS["run_id"], "who": {"operator": "ada", "account": lines[0]["who"]["account"]},
        "host": "web-1", "step": "isolate", "outcome": "done", "summary": "step 1", "details": {"n": 1}, "previous": "0" * 64,
        "sha256": lines[0]["sha256"],
    }
    assert "\\x1b" in lines[2]["summary"] and path.read_bytes().isascii() and path.read_bytes().count(b"\n") == 3
    assert [oct(part.stat().st_mode & 0o777) for part in (path, path.parent, path.parent.parent)] == ["0o600", "0o700", "0o700"]


def test_text_tools_alone_verify_a_log(log: Path) -> None:
    """As docs/evidence.md says it."""
    script = r"""
previous=$(printf '0%.0s' $(seq 64))
while IFS= read -r line; do
  body=$(printf '%s' "$line" | sed 's/,"sha256":"[0-9a-f]\{64\}"}$/}/')
  digest=$(printf '%s' "$body" | sha256sum | cut -d' ' -f1)
  case "$line" in *"\"previous\":\"$previous\",\"sha256\":\"$digest\"}") previous=$digest ;; *) echo "broken: $line"; exit 1 ;; esac
done < "$1"
echo "whole, head $previous"
"""
    done = subprocess.run(["sh", "-c", script, "sh", str(log)], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == verify(log.parents[1])["head"]["sha256"]
    log.write_bytes(log.read_bytes().replace(b"step 2", b"step 9"))
    assert subprocess.run(["sh", "-c", script, "sh", str(log)], capture_output=True, check=False).returncode == 1


CHANGES: dict[str, Any] = {
    "changed": (lambda lines: [*lines[:2], lines[2].replace(b"step 3", b"step 4"), *lines[3:]], "line 3 was changed"),
    "removed": (lambda lines: [*lines[:2], *lines[3:]], "line 3 (entry 4) does not follow"),
    "first removed": (lambda lines: lines[1:], "line 1 (entry 2) does not follow"),
    "moved": (lambda lines: [lines[0], lines[2], lines[1], *lines[3:]], "line 2 (entry 3) does not follow"),
    "doubled": (lambda lines: [*lines[:3], lines[2], *lines[3:]], "line 4 (entry 3) does not follow"),
    "text between": (lambda lines: [*lines[:3], b"hello\n", *lines[3:]], "line 4 is no line of a custody log"),
    "zeros between": (lambda lines: [*lines[:3], b"\0" * 5000, b"\n", *lines[3:]], "line 4 is no line"),
    "very long": (lambda lines: [*lines[:3], b"x" * 3_000_000 + b"\n", *lines[3:]], "line 4 is no line"),
    "invalid text": (lambda lines: [*lines[:3], lines[3][:50] + b"\xff" + lines[3][51:], lines[4]], "line 4 was changed"),
    "foreign end": (lambda lines: [*lines, b"and then"], "8 bytes after line 5 were never written"),
    "end in the middle": (lambda lines: [*lines, b'{"sequence":7,"time"'], "20 bytes after line 5 were never written"),
    "forged line": (lambda lines: [*lines, forged()], "line 6 (entry 6) does not follow"),
}


def forged() -> bytes:
    """A line that is right in itself, by somebody who does not know the chain."""
    return line_of(Entry("web-1", "release", "done", "all is well"), Head(5), Writer("eve", "root", ""), NOW)[0]


@pytest.mark.parametrize("change", CHANGES)
def test_what_was_changed_is_critical(log: Path, change: str) -> None:
    edit, found = CHANGES[change]
    log.write_bytes(b"".join(edit(log.read_bytes().splitlines(keepends=True))))
    before = log.read_bytes()
    answer = verify(log.parents[1])
    assert answer["status"] == "critical" and found in answer["checks"][0]["summary"], answer
    assert log.read_bytes() == before and not answer["changed"]
    # What happens next is noted all the same, and the chain stays broken unless only its foreign end was set aside.
    answer = keep(log.parents[1], entry(7))
    assert answer["status"] == "critical" and answer["recorded"]
    assert log.read_bytes().startswith(before[: before.rindex(b"\n") + 1])
    later = verify(log.parents[1])
    assert later["status"] == ("ok" if "end" in change else "critical")


def test_a_log_that_was_cut_is_found_by_a_head_from_elsewhere(log: Path) -> None:
    head = verify(log.parents[1])["head"]
    assert verify(log.parents[1], head)["status"] == "ok"
    keep(log.parents[1], entry(6))
    assert verify(log.parents[1], head)["status"] == "ok", "a log may grow"
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(lines[:4]))
    assert verify(log.parents[1])["status"] == "ok", "nothing inside tells"
    answer = verify(log.parents[1], head)
    assert answer["status"] == "critical" and "entry 5 is missing" in answer["checks"][0]["summary"]
    assert keep(log.parents[1], entry(5, summary="another"), expected_head=head)["status"] == "critical"
    assert verify(log.parents[1], head)["status"] == "critical"
    log.unlink()
    assert "was removed" in verify(log.parents[1], head)["checks"][0]["summary"]


def test_a_write_that_was_cut_off_anywhere_is_no_tampering_and_loses_nothing(log: Path) -> None:
    whole = log.read_bytes()
    line = line_of(Entry("web-1", "block", "done", "six"), Head(**verify(log.parents[1])["head"]), Writer("ada", "x", ""), NOW)[0]
    for size in (1, 5, 13, 20, len(line) // 2, len(line) - 2):
        for zeros in (0, 700):
            for path in log.parent.glob("custody.cut-off-*"):
                path.unlink()
            log.write_bytes(whole + line[:size] + b"\0" * zeros)
            found = verify(log.parents[1])
            assert found["status"] == "warning" and found["head"]["sequence"] == 5, (size, zeros)
            answer = keep(log.parents[1], entry(6))
            # The entry after the one that tells of it.
            assert answer["status"] == "ok" and answer["recorded"] == [7]
            assert log.read_bytes().startswith(whole)
            (aside,) = log.parent.glob("custody.cut-off-*")
            assert aside.read_bytes() == line[:size] + b"\0" * zeros and aside.stat().st_mode & 0o777 == 0o600
            told = json.loads(log.read_bytes().splitlines()[5])
            assert (told["step"], told["outcome"]) == ("custody", "failed") and aside.name in told["summary"]
            assert verify(log.parents[1])["status"] == "ok"


def test_an_entry_that_lacks_only_its_newline_is_kept(log: Path) -> None:
    log.write_bytes(log.read_bytes()[:-1])
    assert verify(log.parents[1])["head"]["sequence"] == 5
    answer = keep(log.parents[1], entry(6))
    assert answer["recorded"] == [6] and verify(log.parents[1])["status"] == "ok"
    assert not list(log.parent.glob("custody.cut-off-*"))


def test_check_mode_writes_nothing(tmp_path: Path) -> None:
    answer = keep(tmp_path / "incidents", entry(), check_mode=True)
    assert answer["changed"] and answer["status"] == "ok" and answer["head"]["sequence"] == 0
    assert list(tmp_path.iterdir()) == []


def test_there_is_none(tmp_path: Path) -> None:
    assert verify(tmp_path)["status"] == "unknown"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["fifo", "folder", "link"])
def test_another_thing_in_its_place_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "INC-42").mkdir()
    path = tmp_path / "INC-42/custody.jsonl"
    {"fifo": lambda: os.mkfifo(path), "folder": path.mkdir, "link": lambda: path.symlink_to(tmp_path / "elsewhere")}[name]()
    assert verify(tmp_path)["status"] == "unknown"
    with pytest.raises(UpkeepError, match="custody log"):
        keep(tmp_path, entry())
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"incident": "../x"}, "incident"), ({"incident": ".hidden"}, "incident"), ({"incident": ""}, "incident"),
        ({"incident": "a" * 65}, "incident"), ({"entries": []}, "entries: 0"),
        ({"entries": [entry(step="Block it")]}, r"entries\[0\].step"), ({"expected_head": {"sequence": "x"}}, "expected_head"),
        ({"wait_seconds": -1}, "wait_seconds"),
    ],
)
def test_a_wrong_option_is_named(tmp_path: Path, options: dict[str, Any], named: str) -> None:
    with pytest.raises(UpkeepError, match=named):
        keep(tmp_path, **{"entries": [entry()], **options})
    assert list(tmp_path.iterdir()) == []


def test_details_are_bounded(tmp_path: Path) -> None:
    deep: dict[str, Any] = {}
    for _level in range(100):
        deep = {"deep": deep, "wide": ["x" * 5000] * 500}
    path = Path(keep(tmp_path, entry(details=deep))["path"])
    assert path.stat().st_size < 100_000 and "left_out" in path.read_text()


def test_somebody_else_writes(tmp_path: Path, log: Path) -> None:
    with log_file._opened(log, os.O_RDWR, log_file.fcntl.LOCK_EX, 0):
        with pytest.raises(UpkeepError, match="another process"):
            keep(tmp_path, entry(), wait_seconds=0.1)
        assert verify(tmp_path)["status"] == "unknown"


def test_a_failed_write_is_taken_back(tmp_path: Path, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, real = log.read_bytes(), os.write

    def half(descriptor: int, data: Any) -> int:
        real(descriptor, bytes(data)[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(UpkeepError, match="No space left on device; it holds what it held"):
        keep(tmp_path, entry(6))
    assert log.read_bytes() == before


@pytest.mark.parametrize(
    ("tail", "expected"), [(b"", True), (b"\0\0", True), (b'{"seq', True), (b'{"sequence":6,"time":"x', True), (b'{"sequence":5,', False), (b"x", False)]
)
def test_the_beginning_of_a_line(tail: bytes, expected: bool) -> None:
    assert begins_line(tail, 6) is expected


def test_the_row_names_how_many_more_there_are(log: Path) -> None:
    log.write_bytes(b"junk\n" * 40)
    chain = log_file.read_log(log)
    assert chain is not None and len(chain.problems) == 20
    assert "(and 19 more)" in chain_check(chain, "log")["summary"]
    assert read_head({"sequence": 0, "sha256": "0" * 64}) == Head()


def test_entries_and_the_name_of_the_log_are_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[tuple[str, int]] = []
    real = os.fsync

    def noted(descriptor: int) -> None:
        flushed.append((os.readlink(f"/proc/self/fd/{descriptor}"), os.fstat(descriptor).st_size))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    path = Path(keep(tmp_path / "incidents", entry())["path"])
    assert (str(path), path.stat().st_size) in flushed and str(path.parent) in {name for name, _size in flushed}
