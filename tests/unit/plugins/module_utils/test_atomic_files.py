"""Files are wholly old or wholly new, private before they hold a byte, and leave no litter."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils import atomic_files
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError


def test_content_and_mode(tmp_path: Path) -> None:
    target = tmp_path / "file"
    atomic_files.write_atomically(target, b"one")
    atomic_files.write_atomically(target, b"two", mode=0o644)
    assert target.read_bytes() == b"two"
    assert stat.S_IMODE(target.stat().st_mode) == 0o644
    assert os.listdir(tmp_path) == ["file"]


def test_a_link_is_replaced_and_its_target_untouched(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    link = tmp_path / "link"
    link.symlink_to(victim)
    atomic_files.write_atomically(link, b"new")
    assert victim.read_bytes() == b"precious"
    assert not link.is_symlink()


def test_no_room_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_bytes(b"old")
    code = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from ansible_collections.upkeep.runbook.plugins.module_utils.atomic_files import write_atomically\n"
        "from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: write_atomically(Path(sys.argv[1]), b'x' * 5000)\n"
        "except UpkeepError as exc: print(exc)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code, str(target)], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout == f"cannot write {target}: File too large; the previous file is unchanged\n"
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize(("number", "said"), [(errno.EINVAL, ""), (errno.ENOTSUP, ""), (errno.EIO, "is written, but a power cut may undo that")])
def test_a_folder_that_cannot_be_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, said: str) -> None:
    """Some network file systems cannot; a failing disk is told, and not as if nothing had been written."""
    real = os.fsync

    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    told = ""
    try:
        atomic_files.write_atomically(tmp_path / "file", b"new")
    except UpkeepError as exc:
        told = exc.message
    assert (said in told, bool(told)) == (True, bool(said))
    assert (tmp_path / "file").read_bytes() == b"new" and os.listdir(tmp_path) == ["file"]


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(UpkeepError, match="cannot write .*/missing/file: No such file"):
        atomic_files.write_atomically(tmp_path / "missing" / "file", b"")


def test_private_directory(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"
    assert atomic_files.make_private_directory(path) is True
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert atomic_files.make_private_directory(path) is False
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UpkeepError, match="is no directory"):
        atomic_files.make_private_directory(tmp_path / "file")
    with pytest.raises(UpkeepError, match="/file exists and is no directory"):
        atomic_files.make_private_directory(tmp_path / "file" / "below")
    with pytest.raises(UpkeepError, match="cannot create the directory /proc/nothing: No such file"):
        atomic_files.make_private_directory(Path("/proc/nothing"))


def test_leftovers_of_a_killed_run_go_when_they_are_old_and_nothing_else(tmp_path: Path) -> None:
    names = [".upkeep-report-abc.new", ".upkeep-young-abc.new", "data.new", ".upkeep-data"]
    for name in names:
        (tmp_path / name).write_bytes(b"")
    (tmp_path / ".upkeep-dir.new").mkdir()
    (tmp_path / ".upkeep-link.new").symlink_to(tmp_path / "data.new")
    now = 1_000_000.0
    for name in names:
        os.utime(tmp_path / name, (now - 7200, now - 7200))
    os.utime(tmp_path / names[1], (now - 10, now - 10))
    assert atomic_files.remove_leftovers(tmp_path, now=now) == [names[0]]
    assert sorted(os.listdir(tmp_path)) == sorted([*names[1:], ".upkeep-dir.new", ".upkeep-link.new"])


def test_only_a_file_of_our_own_is_read_and_not_more_of_it_than_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert atomic_files.read_whole(path, 10) is None
    path.write_bytes(b"x" * 20)
    assert atomic_files.read_whole(path, 10) == b"x" * 11
    os.mkfifo(tmp_path / "pipe")
    assert atomic_files.read_whole(tmp_path / "pipe", 10) == atomic_files.read_whole(tmp_path, 10) == b""
    (tmp_path / "link").symlink_to(path)
    with pytest.raises(UpkeepError, match="cannot read"):
        atomic_files.read_whole(tmp_path / "link", 10)
