"""Archives are compressed while they are made: what was given comes out again, and what goes wrong is told."""

from __future__ import annotations

import errno
import gzip
import hashlib
import os
import random
import subprocess
import tempfile
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.archives import packing
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


@pytest.mark.parametrize(
    ("status", "said"), [(3, "zstd ended with 3: broken today"), (0, "zstd ended before it had read all")]
)
def test_a_zstd_that_ends_early_is_told(status: int, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "zstd"
    program.write_text(f"#!/bin/sh\nhead -c 1000 >/dev/null\necho 'broken today' >&2\nexit {status}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with target() as (packed, _path):
        packer = packing.start_packer(packing.ZSTD, None, packed)
        with pytest.raises(UpkeepError, match=said):
            for _turn in range(100):
                packer.write([bytes(1024 * 1024)])
            packer.finish()
        packer.close()


def test_without_zstd_gzip_takes_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    assert packing.usable(packing.ZSTD) == packing.ZSTD
    monkeypatch.setenv("PATH", "/nowhere")
    assert [packing.usable(name) for name in (packing.ZSTD, packing.GZIP, packing.NONE)] == ["gzip", "gzip", "none"]
    with target() as (packed, _path), pytest.raises(UpkeepError, match="zstd is not installed"):
        packing.start_packer(packing.ZSTD, None, packed)


def test_abort_ends_a_write_that_waits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "zstd"
    program.write_text("#!/bin/sh\nexec sleep 600\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    for step in ("write", "finish"):
        with target() as (packed, _path):
            packer = packing.start_packer(packing.ZSTD, None, packed)
            timer = threading.Timer(0.2, packer.abort, ("given up",))
            timer.start()
            with pytest.raises(UpkeepError, match="given up"):
                packer.write([bytes(1 if step == "finish" else 8 * 1024 * 1024)])
                packer.finish()
            timer.join()
            packer.close()
            assert packer._process.returncode is not None  # type: ignore[attr-defined]
