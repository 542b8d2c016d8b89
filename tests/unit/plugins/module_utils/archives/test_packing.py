"""Archives are compressed while they are made: what was given comes out again, and what goes wrong is told."""

from __future__ import annotations

import errno
import gzip
import hashlib
import os
import random
import subprocess
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.archives import packing
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.zstd_library import load_library
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError

SIZES = [0, 1, 512 * 1024 - 1, 512 * 1024, 512 * 1024 + 1, 3 * 512 * 1024 + 17]


@contextmanager
def target(reserve: int = 0) -> Iterator[tuple[packing.PackedFile, str]]:
    with tempfile.NamedTemporaryFile() as file:
        yield packing.PackedFile(file.fileno(), reserve), file.name


def text_of(size: int) -> bytes:
    chance = random.Random(size)
    words = [bytes(chance.choices(b"abcdefghij", k=7)) for _word in range(500)]
    return b" ".join(chance.choices(words, k=size // 7 + 1))[:size]


def unpack(compression: str, path: str) -> bytes:
    if compression == packing.NONE:
        return Path(path).read_bytes()
    program = {"gzip": ["gzip", "-dc"], "zstd": ["zstd", "-dcq"]}[compression]
    with open(path, "rb") as stream:
        return subprocess.run(program, stdin=stream, stdout=subprocess.PIPE, check=True).stdout


@pytest.mark.parametrize("compression", [packing.ZSTD, packing.GZIP, packing.NONE])
@pytest.mark.parametrize("size", SIZES)
def test_what_was_given_comes_out_again(compression: str, size: int) -> None:
    data = text_of(size)
    cuts = sorted(random.Random(1).choices(range(size + 1), k=20))
    parts = [data[a:b] for a, b in zip([0, *cuts], [*cuts, size])]
    with target() as (packed, path):
        packer = packing.start_packer(compression, None, packed)
        packer.write(parts[:7])
        packer.write([])
        packer.write(parts[7:])
        packer.finish()
        packer.close()
        assert unpack(compression, path) == data
        written = Path(path).read_bytes()
        assert (packed.bytes, packed.sha256) == (len(written), hashlib.sha256(written).hexdigest())


def test_gzip_makes_one_ordinary_member_as_small_as_gzip_does() -> None:
    data = text_of(4 * 1024 * 1024)
    with target() as (packed, path):
        packer = packing.start_packer(packing.GZIP, 6, packed)
        packer.write([data])
        packer.finish()
        written = Path(path).read_bytes()
    one = zlib.decompressobj(31)
    assert one.decompress(written) == data and one.eof and not one.unused_data
    # Blocks that did not know the end of the one before would be larger by more than this.
    assert len(written) < len(gzip.compress(data, 6)) * 1.01


def test_an_archive_without_room_ends_with_the_words_of_the_system() -> None:
    with target(reserve=2**62) as (packed, _path):
        packer = packing.start_packer(packing.ZSTD, None, packed)
        with pytest.raises(OSError, match="min_free_percent") as caught:
            for _turn in range(100):
                packer.write([os.urandom(1024 * 1024)])
        assert caught.value.errno == errno.ENOSPC
        packer.close()
        packer.close()


class Failing:
    """A library in which one function fails."""

    def __init__(self, name: str) -> None:
        self._library = load_library()
        self._name = name

    def __getattr__(self, name: str) -> Any:
        if name == self._name:
            return lambda *_arguments: None if name == "ZSTD_createCCtx" else 2**64 - 64  # not enough memory
        return getattr(self._library, name)


@pytest.mark.parametrize("function", ["ZSTD_createCCtx", "ZSTD_compressStream2"])
def test_a_zstd_that_fails_is_told(function: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "load_library", lambda: Failing(function))
    with target() as (packed, _path), pytest.raises(UpkeepError, match="zstd cannot pack: .*memory"):
        packer = packing.start_packer(packing.ZSTD, None, packed)
        try:
            packer.write([bytes(1024 * 1024)])
            packer.finish()
        finally:
            packer.close()


def test_a_zstd_without_threads_packs_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    library = load_library()
    assert library is not None

    class Single(Failing):
        def __getattr__(self, name: str) -> Any:
            if name == "ZSTD_CCtx_setParameter":
                return lambda context, what, value: 2**64 - 40 if what == 400 else library.ZSTD_CCtx_setParameter(context, what, value)
            return getattr(library, name)

    monkeypatch.setattr(packing, "load_library", lambda: Single(""))
    with target() as (packed, path):
        packer = packing.start_packer(packing.ZSTD, None, packed)
        packer.write([b"a" * 3_000_000])
        packer.finish()
        packer.close()
        assert subprocess.run(["zstd", "-dcq", path], stdout=subprocess.PIPE, check=True).stdout == b"a" * 3_000_000


def test_without_zstd_gzip_takes_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    assert packing.usable(packing.ZSTD) == packing.ZSTD
    monkeypatch.setattr(packing, "load_library", lambda: None)
    assert [packing.usable(name) for name in (packing.ZSTD, packing.GZIP, packing.NONE)] == ["gzip", "gzip", "none"]
    with target() as (packed, _path), pytest.raises(UpkeepError, match="libzstd is not installed"):
        packing.start_packer(packing.ZSTD, None, packed)


def test_the_disk_begins_with_all_but_the_last_part_before_the_archive_is_synced(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = []
    monkeypatch.setattr(packing, "begin_write_back", lambda descriptor, start, size: begun.append((descriptor, start, size)))
    monkeypatch.setattr(packing, "_WRITE_BACK_BYTES", 1000)
    with target() as (packed, path):
        for size in (600, 600, 3000, 999):
            packed.write(b"a" * size)
        assert Path(path).stat().st_size == packed.bytes == 5199
    assert [(start, size) for _descriptor, start, size in begun] == [(0, 1200), (1200, 3000)]
    assert len({descriptor for descriptor, _start, _size in begun}) == 1


def test_nothing_is_written_after_abort() -> None:
    with target() as (packed, _path):
        packer = packing.start_packer(packing.ZSTD, None, packed)
        packer.write([bytes(1000)])
        packer.abort("given up")
        with pytest.raises(UpkeepError, match="given up"):
            packer.finish()
        packer.close()
        assert not packed.bytes
