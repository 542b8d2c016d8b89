"""Archives of our own, made by Python's tarfile and zipfile, and how to read them with the code under test."""

from __future__ import annotations

import io
import os
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.archives.budget import Limits
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.contents import Contents
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.reading import read_archive

FILES = {"app/package.json": b'{"name": "app"}', "app/src/main.js": b"console.log(1)\n" * 200, "app/empty": b""}

Archive = Callable[..., bytes]
Read = Callable[..., Contents]


def tar_of(files: Mapping[str, bytes] | None = None, form: int = tarfile.PAX_FORMAT, mode: str = "w", **pax: Any) -> bytes:
    """Return a tar archive; ``mode`` is that of tarfile, such as ``w:gz``."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode, format=form, **pax) as archive:  # type: ignore[call-overload]
        for name, data in (FILES if files is None else files).items():
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(data), 1_700_000_000
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def zip_of(files: Mapping[str, bytes] | None = None, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a zip archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in (FILES if files is None else files).items():
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), data, compress_type=method)
    return buffer.getvalue()


def read_bytes(data: bytes, name: str = "", *, seconds: float = 60.0, **options: Any) -> Contents:
    """Read an archive under a file name, within limits of its own."""
    limits = {key: options.pop(key) for key in ("ratio", "members", "decoder_bytes", "depth") if key in options}
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        return read_archive(file.fileno(), name, Limits(time.monotonic() + seconds, **limits), **options)


@pytest.fixture(scope="session")
def tar() -> Archive:
    return tar_of


@pytest.fixture(scope="session")
def zipped() -> Archive:
    return zip_of


@pytest.fixture(scope="session")
def read() -> Read:
    return read_bytes


@pytest.fixture
def no_threads_left() -> Any:
    """After the test no thread and no open file is left of it."""
    import threading

    before = threading.active_count(), len(os.listdir("/proc/self/fd"))
    yield
    assert (threading.active_count(), len(os.listdir("/proc/self/fd"))) == before
