"""One entry is read as it was at one moment, is no link's target, and says why when it cannot be read."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.integrity import reading
from ansible_collections.upkeep.runbook.plugins.module_utils.integrity.reading import (
    BUFFER_BYTES,
    Unreadable,
    Vanished,
    read_entry,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.integrity.records import Record, read_line


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[int]:
    descriptor = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield descriptor
    os.close(descriptor)


def read(folder: int, name: str, capabilities: bool = True) -> tuple[Record, int]:
    line, size = read_entry(folder, name, f"/x/{name}", memoryview(bytearray(BUFFER_BYTES)), capabilities=capabilities)
    return read_line(line), size


@pytest.mark.parametrize("size", [0, 1, BUFFER_BYTES - 1, BUFFER_BYTES, BUFFER_BYTES + 1, 3 * BUFFER_BYTES + 7])
def test_a_file_of_any_size_has_its_checksum(tmp_path: Path, folder: int, size: int) -> None:
    data = os.urandom(size)
    (tmp_path / "a").write_bytes(data)
    record, hashed = read(folder, "a")
    assert (record.sha256, record.size, hashed) == (hashlib.sha256(data).hexdigest(), size, size)


def test_links_pipes_and_folders_are_told_and_not_opened(tmp_path: Path, folder: int) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "link").symlink_to("secret")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    assert (read(folder, "link")[0].kind, read(folder, "link")[0].target, read(folder, "link")[0].sha256) == ("link", "secret", "")
    assert read(folder, "pipe")[0].kind == "pipe"
    assert read(folder, "folder")[0].kind == "folder"


def test_what_is_gone_is_gone(folder: int) -> None:
    with pytest.raises(Vanished):
        read(folder, "nothing")


def test_a_file_that_never_stays_as_it_was_is_unreadable(
    tmp_path: Path, folder: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_text("a")
    attempts = []
    original = reading._hash

    def change_meanwhile(descriptor: int, size: int, buffer: memoryview) -> str | None:
        attempts.append(size)
        found = original(descriptor, size, buffer)
        with open(tmp_path / "a", "a", encoding="ascii") as stream:
            stream.write("b")
        return found

    monkeypatch.setattr(reading, "_hash", change_meanwhile)
    monkeypatch.setattr(reading, "_PAUSE_SECONDS", 0.0)
    with pytest.raises(Unreadable, match="changed each time"):
        read(folder, "a")
    assert len(attempts) == 4


def test_a_file_that_changes_once_is_read_again(tmp_path: Path, folder: int, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_text("a")
    original = reading._hash
    attempts: list[int] = []

    def change_once(descriptor: int, size: int, buffer: memoryview) -> str | None:
        attempts.append(size)
        found = original(descriptor, size, buffer)
        if len(attempts) == 1:
            (tmp_path / "a").write_text("another")
        return found

    monkeypatch.setattr(reading, "_hash", change_once)
    assert read(folder, "a")[0].sha256 == hashlib.sha256(b"another").hexdigest()


def test_one_that_is_cut_while_it_is_read_is_not_hashed_short(tmp_path: Path, folder: int) -> None:
    (tmp_path / "a").write_bytes(b"1234")
    descriptor = os.open(tmp_path / "a", os.O_RDONLY)
    assert reading._hash(descriptor, 9, memoryview(bytearray(100))) is None
    os.close(descriptor)


def test_a_file_exchanged_for_a_link_all_the_time_is_never_followed(tmp_path: Path, folder: int) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    stop = threading.Event()

    def exchange() -> None:
        while not stop.is_set():
            (tmp_path / "new").write_text("file")
            os.replace(tmp_path / "new", tmp_path / "a")
            os.symlink("secret", tmp_path / "new")
            os.replace(tmp_path / "new", tmp_path / "a")

    (tmp_path / "a").write_text("file")
    thread = threading.Thread(target=exchange)
    thread.start()
    try:
        forbidden = hashlib.sha256(b"secret").hexdigest()
        kinds = set()
        for _number in range(300):
            try:
                record = read(folder, "a")[0]
            except (Unreadable, Vanished):
                continue
            kinds.add(record.kind)
            assert record.sha256 != forbidden
    finally:
        stop.set()
        thread.join()
    assert kinds


def test_an_error_says_what_it_was_and_what_is_known(tmp_path: Path, folder: int, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_text("a")

    def refuse(*_arguments: object, **_more: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(Unreadable, match="may not be read") as unreadable:
        read(folder, "a")
    assert read_line(unreadable.value.line).sha256 == ""


def test_capabilities_of_programs_are_read_when_asked(tmp_path: Path, folder: int, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "program").write_text("")
    (tmp_path / "program").chmod(0o755)
    (tmp_path / "text").write_text("")
    monkeypatch.setattr(os, "listxattr", lambda _descriptor: ["security.capability"])
    monkeypatch.setattr(os, "getxattr", lambda _descriptor, name: b"\1\2" if name == "security.capability" else b"")
    assert read(folder, "program")[0].capabilities == "0102"
    assert read(folder, "program", capabilities=False)[0].capabilities == ""
    assert read(folder, "text")[0].capabilities == ""


def test_a_file_that_is_a_hole_is_not_read(tmp_path: Path, folder: int) -> None:
    with open(tmp_path / "hole", "wb") as stream:
        stream.truncate(2**40)
    with pytest.raises(Unreadable, match="has 1099511627776 bytes, and more than 4096 are not read") as problem:
        read_entry(folder, "hole", "/hole", memoryview(bytearray(BUFFER_BYTES)), capabilities=False, max_bytes=4096)
    assert read_line(problem.value.line).size == 2**40
