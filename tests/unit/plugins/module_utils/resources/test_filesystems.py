"""File systems as df counts them: reserved blocks, no inodes, shared readings, odd mount points, hung mounts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.resources.filesystems import (
    file_system_row,
    file_system_rows,
    mount_of,
    parse_mountinfo,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.path_probe import look_at, probe_paths

MOUNTINFO = """22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
40 27 254:1 / /opt rw,relatime shared:1 master:2 - ext4 /dev/vdb rw
41 27 0:50 / /mnt/with\\040space rw - nfs4 server:/export rw
42 27 0:51 / /optional rw - tmpfs tmpfs rw
43 40 0:52 / /opt ro - overlay overlay ro
broken line
"""


def answer(**changes: object) -> dict:
    """Return a file system of 1000 blocks of 4 KiB: 600 used, 400 free of which 100 are reserved for root."""
    return {
        "real_path": "/srv", "st_dev": 7, "read_only": False, "f_bsize": 4096, "f_frsize": 4096, "f_blocks": 1000,
        "f_bfree": 400, "f_bavail": 300, "f_files": 200, "f_ffree": 50, "f_favail": 50, **changes,
    }


def test_reserved_blocks_are_neither_used_nor_available() -> None:
    row = file_system_row("/srv", answer(), [])
    assert row["used_percent"] == 66.7
    assert row["available_bytes"] == 300 * 4096
    assert row["reserved_bytes"] == 100 * 4096
    assert row["inodes_used_percent"] == 75.0


@pytest.mark.parametrize(
    ("changes", "percent"),
    [
        ({"f_bfree": 100, "f_bavail": 0}, 100.0),
        ({"f_bfree": 1000, "f_bavail": 900}, 0.0),
        ({"f_blocks": 0, "f_bfree": 0, "f_bavail": 0}, 0.0),
        ({"f_frsize": 0}, 66.7),
    ],
)
def test_full_empty_and_without_blocks(changes: dict, percent: float) -> None:
    assert file_system_row("/srv", answer(**changes), [])["used_percent"] == percent


def test_a_file_system_without_a_fixed_number_of_inodes() -> None:
    row = file_system_row("/srv", answer(f_files=0, f_ffree=0, f_favail=0), [])
    assert (row["inodes_total"], row["inodes_used_percent"]) == (None, None)


@pytest.mark.parametrize(
    ("path", "device"),
    [
        ("/", "/dev/vda"),
        ("/etc", "/dev/vda"),
        ("/opt", "overlay"),
        ("/opt/neurosensefx", "overlay"),
        ("/optional/x", "tmpfs"),
        ("/options", "/dev/vda"),
        ("/mnt/with space/a", "server:/export"),
    ],
)
def test_the_mount_of_a_path(path: str, device: str) -> None:
    mount = mount_of(path, parse_mountinfo(MOUNTINFO))
    assert mount is not None
    assert mount.device == device


def test_paths_on_one_file_system_agree_and_each_has_a_row() -> None:
    answers = {"/a": answer(real_path="/a"), "/b": answer(real_path="/b", f_bavail=1), "/c": {"problem": "gone"}}
    rows = file_system_rows(["/a", "/b", "/c"], answers, MOUNTINFO)
    assert [row["path"] for row in rows] == ["/a", "/b", "/c"]
    assert rows[0]["used_percent"] == rows[1]["used_percent"]
    assert rows[2] == {"path": "/c", "problem": "gone"}


def test_a_folder_with_a_quota_of_its_own_has_its_own_figures() -> None:
    full = answer(real_path="/srv/app", f_blocks=10, f_bfree=0, f_bavail=0)
    rows = file_system_rows(["/srv", "/srv/app"], {"/srv": answer(), "/srv/app": full}, MOUNTINFO)
    assert [row["used_percent"] for row in rows] == [66.7, 100.0]


def test_a_name_that_is_no_text_is_carried_visibly(tmp_path: Path) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9")
    os.mkdir(path)
    (row,) = file_system_rows([path], probe_paths([path], timeout_seconds=10), "")
    assert row["path"].endswith("caf\\xe9")
    json.dumps(row).encode("utf-8")


@pytest.mark.parametrize("path", ["/", "/dev/shm", "/tmp"])
def test_the_figures_are_those_of_df(path: str) -> None:
    columns = "size,used,avail,iused,target"
    output = subprocess.run(
        ["df", "-B1", f"--output={columns}", path], stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    size, used, available, inodes_used, target = output.splitlines()[1].split()
    mountinfo = Path("/proc/self/mountinfo").read_text()
    (row,) = file_system_rows([path], probe_paths([path], timeout_seconds=10), mountinfo)
    near = {"abs": 64 * 1024 * 1024}
    assert row["total_bytes"] == int(size)
    assert row["used_bytes"] == pytest.approx(int(used), **near)
    assert row["available_bytes"] == pytest.approx(int(available), **near)
    assert row["inodes_used"] is None or row["inodes_used"] == pytest.approx(int(inodes_used), abs=5000)
    assert row["mount_point"] == target


def test_a_missing_path_says_so_by_name(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    assert probe_paths([missing], timeout_seconds=10) == {missing: {"problem": "No such file or directory"}}


def hang(path: str) -> dict:
    if "hung" in path:
        time.sleep(600)
    return dict(look_at("/"))


def test_a_hung_file_system_takes_its_timeout_and_no_other_path_with_it() -> None:
    started = time.monotonic()
    answers = probe_paths(["/hung/1", "/a", "/hung/2", "/b"], timeout_seconds=1.0, look=hang)
    assert time.monotonic() - started < 20
    assert "problem" not in answers["/a"]
    assert "problem" not in answers["/b"]
    for path in ("/hung/1", "/hung/2"):
        assert answers[path] == {"problem": "the file system did not answer within 1 seconds"}


def test_no_child_of_a_hung_look_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    # A killed child is waited for a moment; on a busy machine it takes a longer one.
    pause = time.sleep
    monkeypatch.setattr(time, "sleep", lambda seconds: pause(seconds * 100))
    probe_paths(["/hung"], timeout_seconds=0.2, look=hang)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_a_path_whose_earlier_look_never_came_back_is_not_asked_again() -> None:
    names = probe_paths(["/a"], timeout_seconds=10, look=lambda path: {"name": Path("/proc/self/comm").read_text().strip()})
    answers = probe_paths(["/a", "/b"], timeout_seconds=10, stuck={names["/a"]["name"]}, look=lambda path: {"real": path})
    assert answers == {
        "/a": {"problem": "the file system has not answered since an earlier run"},
        "/b": {"real": "/b"},
    }


def crash(path: str) -> dict:
    raise MemoryError(path)


def test_a_look_that_dies_is_a_reason() -> None:
    assert probe_paths(["/a"], timeout_seconds=10, look=crash) == {
        "/a": {"problem": "the process that looked at it died"}
    }


def test_more_paths_than_one_wave() -> None:
    paths = [f"/{number}" for number in range(70)]
    answers = probe_paths(paths, timeout_seconds=20, look=lambda path: {"problem": path})
    assert [answers[path]["problem"] for path in paths] == paths


PROBE_AND_PRINT = """
import sys, atexit
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.path_probe import probe_paths
atexit.register(lambda: print("bye"))
sys.stdout.write("once ")
probe_paths(["/", "/proc"], timeout_seconds=10)
"""


def test_the_children_write_nothing_of_their_callers() -> None:
    output = subprocess.run(
        [sys.executable, "-c", PROBE_AND_PRINT],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ).stdout
    assert output == "once bye\n"
