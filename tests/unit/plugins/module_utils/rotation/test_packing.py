"""Packing in pieces gives a file that every reader of gzip reads."""

from __future__ import annotations

import gzip
import os
import subprocess
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.rotation import packing
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.packing import PackingProblem, make_durable, pack, pack_piece


def packed(folder: Path, raw: str, compress: str = "gzip", threads: int = 0) -> tuple[str, int]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with ThreadPoolExecutor(2) as pool:
            result = pack(descriptor, raw, compress, pool if threads else None)
            make_durable(descriptor, [result[0]])
            make_durable(descriptor, [result[0]] * 5)
            return result
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("size", [0, 1, 999, 1000, 1001, 9_999, 10_000, 50_001])
@pytest.mark.parametrize("threads", [0, 2])
def test_what_was_packed_is_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, threads: int) -> None:
    monkeypatch.setattr(packing, "PIECE_BYTES", 1000)
    content = bytes(number * number % 251 for number in range(size))
    (tmp_path / "app.log-x").write_bytes(content)
    draft, count = packed(tmp_path, "app.log-x", threads=threads)
    assert (draft, count) == ("app.log-x.gz.new", size)
    if size:
        assert gzip.decompress((tmp_path / draft).read_bytes()) == content
        with (tmp_path / draft).open("rb") as stream:
            assert subprocess.run(["gzip", "-dc"], stdin=stream, check=True, capture_output=True).stdout == content
    assert (tmp_path / "app.log-x").read_bytes() == content


def test_a_piece_that_unpacks_to_something_else_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing.zlib, "decompress", lambda *_arguments: b"something else")
    with pytest.raises(PackingProblem, match="look at the memory"):
        pack_piece(b"line\n")
    monkeypatch.undo()

    def damaged(*_arguments: object) -> bytes:
        raise zlib.error("incorrect data check")

    monkeypatch.setattr(packing.zlib, "decompress", damaged)
    with pytest.raises(PackingProblem, match="incorrect data check"):
        pack_piece(b"line\n")


def test_what_is_no_file_of_its_own_is_not_packed(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("x")
    os.link(tmp_path / "target", tmp_path / "linked")
    (tmp_path / "link").symlink_to("target")
    os.mkfifo(tmp_path / "pipe")
    for name in ("linked", "link", "pipe", "missing"):
        with pytest.raises(PackingProblem):
            packed(tmp_path, name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "linked", "pipe", "target"]


def test_without_the_program_zstd_the_hint_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "raw").write_text("x")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PackingProblem, match="zstd is not installed on this host; install it or choose compress: gzip"):
        packed(tmp_path, "raw", "zstd")
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]
