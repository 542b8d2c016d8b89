"""The kernel knows of every writer, also of those that /proc does not show."""

from __future__ import annotations

import mmap
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.rotation import leases
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.leases import (
    FREE,
    UNTOLD,
    WRITTEN,
    ask_kernel,
    ignoring_broken_leases,
)

from .conftest import Rotate


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "app.log").write_text("line\n" * 1000)
    descriptor = os.open(tmp_path, os.O_RDONLY)
    with ignoring_broken_leases():
        yield descriptor
    os.close(descriptor)


def test_a_file_that_is_only_read_is_free(tmp_path: Path, folder: int) -> None:
    with (tmp_path / "app.log").open("rb"):
        assert ask_kernel("app.log", folder) == FREE
    assert ask_kernel("missing", folder) == FREE


@pytest.mark.parametrize("mode", ["ab", "r+b"])
def test_a_file_that_is_open_for_writing(tmp_path: Path, folder: int, mode: str) -> None:
    with (tmp_path / "app.log").open(mode):
        assert ask_kernel("app.log", folder) == WRITTEN
    assert ask_kernel("app.log", folder) == FREE
    with (tmp_path / "app.log").open(mode):
        pass  # the lease was given back: a writer that comes later does not wait


def test_a_memory_map_whose_file_was_closed(tmp_path: Path, folder: int) -> None:
    with (tmp_path / "app.log").open("r+b") as stream:
        mapped = mmap.mmap(stream.fileno(), 0)
    assert ask_kernel("app.log", folder) == WRITTEN
    mapped.close()
    assert ask_kernel("app.log", folder) == FREE


def test_a_file_of_another_user_and_the_signal_handler_afterwards(tmp_path: Path, folder: int) -> None:
    if os.geteuid() == 0:
        os.chown(tmp_path / "app.log", 65534, 65534)
    assert ask_kernel("app.log", folder) == FREE
    before = signal.getsignal(signal.SIGIO)
    with ignoring_broken_leases():
        assert signal.getsignal(signal.SIGIO) == signal.SIG_IGN
    assert signal.getsignal(signal.SIGIO) == before


def test_a_file_system_without_leases(folder: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object) -> None:
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(leases.fcntl, "fcntl", refuse)
    assert ask_kernel("app.log", folder) == UNTOLD


@pytest.mark.parametrize(("unseen", "packed"), [(0, True), (3, False)])
def test_without_leases_what_proc_shows_has_to_do(
    logs: Path, rotate: Rotate, monkeypatch: pytest.MonkeyPatch, unseen: int, packed: bool
) -> None:
    from ansible_collections.upkeep.runbook.plugins.module_utils.rotation import preflight, rotating
    from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.writers import Writers

    monkeypatch.setattr(preflight, "ask_kernel", lambda *_arguments: UNTOLD)
    monkeypatch.setattr(preflight, "find_writers", lambda *_arguments: Writers({}, unseen))
    monkeypatch.setattr(rotating, "wait_until_left", lambda *_arguments: Writers({}, unseen))
    (logs / "app.log").write_text("line\n")
    answer = rotate()
    assert (answer["rotated"][0]["compressed_bytes"] is not None) is packed
    assert answer["status"] == ("ok" if packed else "warning"), answer
    if not packed:
        assert "nobody can tell whether one of 3 processes of others still writes" in answer["checks"][0]["summary"]


def test_a_writer_that_proc_does_not_show_holds_the_archive(
    logs: Path, rotate: Rotate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This process writes itself, and leaves itself out when it looks at processes."""
    with (logs / "app.log").open("a") as stream:
        stream.write("line\n")
        stream.flush()
        answer = rotate()
        row = answer["checks"][0]
        assert row["status"] == "warning" and "a process that cannot be seen from here still writes" in row["summary"]
        stream.write("late\n")
    again = rotate()
    assert again["status"] == "ok" and len(again["completed"]) == 1
