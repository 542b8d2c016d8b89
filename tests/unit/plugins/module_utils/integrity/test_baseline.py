"""A baseline is read as it was written, and not at all when a byte of it is another one."""

from __future__ import annotations

import hashlib
import os
from datetime import datetime, timezone
from pathlib import Path

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.integrity.baseline import (
    FORMAT,
    VERSION,
    BaselineWriter,
    Damaged,
    open_baseline,
)

WHEN = datetime(2026, 11, 22, 10, 0, tzinfo=timezone.utc)
LINES = [f"/a/{number}\t33188 0 0 1 2 3 4\t{'ab' * 32}\t\t\n" for number in range(2500)] + [os.fsdecode(b"/b/\xff\t1 0 0 0 0 0 0\t\t\t\n")]


def written(path: Path, lines: list[str] = LINES, reason: str = "a release") -> str:
    path.parent.chmod(0o700)
    with open(path, "wb") as stream:
        os.fchmod(stream.fileno(), 0o600)
        writer = BaselineWriter(stream, accepted=WHEN, reason=reason, previous="cd" * 32)
        for line in lines:
            writer.add(line)
        writer.close()
    return writer.digest


def test_it_comes_back_with_its_digest(tmp_path: Path) -> None:
    path = tmp_path / "a.baseline"
    digest = written(path)
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    with open_baseline(path) as baseline:
        assert baseline is not None
        assert (baseline.digest, baseline.accepted, baseline.reason, baseline.entries) == (digest, WHEN, "a release", len(LINES))
        assert baseline.writable_by == ""
        assert list(baseline.lines()) == LINES


def test_an_empty_one_is_one(tmp_path: Path) -> None:
    written(tmp_path / "a", [])
    with open_baseline(tmp_path / "a") as baseline:
        assert baseline is not None and list(baseline.lines()) == []


def test_a_hostile_reason_stays_on_its_line(tmp_path: Path) -> None:
    written(tmp_path / "a", reason='x"}\n/etc/shadow\t')
    with open_baseline(tmp_path / "a") as baseline:
        assert baseline is not None and list(baseline.lines()) == LINES


def test_none_is_none(tmp_path: Path) -> None:
    with open_baseline(tmp_path / "a") as baseline:
        assert baseline is None


def test_each_changed_byte_and_each_cut_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a"
    written(path, LINES[:1])
    whole = path.read_bytes()
    changed = [whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1:] for at in range(len(whole))]
    cut = [whole[:at] for at in (*range(0, len(whole) - 3, 7), len(whole) - 2, len(whole) - 1)]
    for damaged in changed + cut:
        path.write_bytes(damaged)
        with pytest.raises(Damaged):
            with open_baseline(path):
                pass


@pytest.mark.parametrize("content", [b"", b"{}", b"[]\n", b"\0" * 100_000, b"{" * 100_000, b"[" * 60_000, b'{"format": "x"}\n{"sha256": "a"}\n'])
def test_what_is_no_baseline_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(Damaged):
        with open_baseline(tmp_path / "a"):
            pass


def test_a_forged_count_is_refused(tmp_path: Path) -> None:
    written(tmp_path / "a")
    lines = (tmp_path / "a").read_bytes().splitlines(keepends=True)[:-1]
    forged = hashlib.sha256(b"".join(lines) + b"inf").hexdigest()
    (tmp_path / "a").write_bytes(b"".join(lines) + f'{{"entries": Infinity, "sha256": "{forged}"}}\n'.encode())
    with pytest.raises(Damaged, match="when and why"):
        with open_baseline(tmp_path / "a"):
            pass


def test_a_pipe_or_a_link_in_its_place_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Damaged):
        with open_baseline(tmp_path / "pipe"):
            pass
    written(tmp_path / "a")
    (tmp_path / "link").symlink_to("a")
    with pytest.raises(Damaged, match="is a link"):
        with open_baseline(tmp_path / "link"):
            pass
    with open_baseline(tmp_path / "a" / "below a file") as baseline:
        assert baseline is None


@pytest.mark.parametrize("accepted", ["5", "null", "[]", '"yesterday"', '"0001-01-01T00:00:00+05:00"', '"9999-12-31T23:59:59-05:00"', "1e999"])
def test_a_forged_beginning_is_refused(tmp_path: Path, accepted: str) -> None:
    head = f'{{"format": "{FORMAT}", "version": {VERSION}, "accepted": {accepted}, "reason": "x"}}\n'.encode()
    closing = hashlib.sha256(head + b"0").hexdigest()
    (tmp_path / "a").write_bytes(head + f'{{"entries": 0, "sha256": "{closing}"}}\n'.encode())
    with pytest.raises(Damaged, match="when and why"):
        with open_baseline(tmp_path / "a"):
            pass


def test_a_forged_reason_is_shown_harmlessly(tmp_path: Path) -> None:
    written(tmp_path / "a", reason="\x1b[2J\ud800" + "x" * 5000)
    with open_baseline(tmp_path / "a") as baseline:
        assert baseline is not None and baseline.reason.isprintable() and len(baseline.reason) <= 2000


@pytest.mark.parametrize(("file_mode", "folder_mode"), [(0o620, 0o700), (0o602, 0o700), (0o600, 0o770), (0o600, 0o1777)])
def test_who_else_may_write_it_is_told(tmp_path: Path, file_mode: int, folder_mode: int) -> None:
    written(tmp_path / "a")
    (tmp_path / "a").chmod(file_mode)
    tmp_path.chmod(folder_mode)
    with open_baseline(tmp_path / "a") as baseline:
        assert baseline is not None and "others" in baseline.writable_by
