"""What waits for a restart: reboot markers, newer kernels, and processes that run deleted libraries."""

from __future__ import annotations

import _ctypes
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.processes import Process, read_processes
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.host_files import HostFiles
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.restarts import (
    deleted_libraries,
    host_restart,
    newer_kernel,
    processes_restart,
)


@pytest.mark.parametrize(
    ("running", "installed", "newer"),
    [
        ("6.1.0-9-amd64", ["6.1.0-9-amd64", "6.1.0-18-amd64"], "6.1.0-18-amd64"),
        ("6.1.0-18-amd64", ["6.1.0-9-amd64", "6.1.0-18-amd64"], None),
        ("6.12.9+deb13-amd64", ["6.12.9+deb13-amd64", "6.12.43+deb13-amd64"], "6.12.43+deb13-amd64"),
        ("6.1.0-9-amd64", ["6.1.0-9-amd64", "6.1.0-18-cloud-amd64"], None),
        ("5.14.0-362.el9.x86_64", ["5.14.0-362.el9.x86_64", "5.14.0-427.el9.x86_64"], "5.14.0-427.el9.x86_64"),
        pytest.param("6.18.44-fc", ["6.1.0-9-amd64"], None, id="a kernel from outside says nothing"),
        ("6.1.0-9-amd64", [], None),
    ],
)
def test_newer_kernels(running: str, installed: list, newer: str | None) -> None:
    assert newer_kernel(running, installed) == newer


MAPS = """55d0 r-xp 00000000 fe:00 1 /usr/bin/node (deleted)
7f00-7f01 r--p 00000000 fe:00 10   /usr/lib/libssl.so.3 (deleted)
7f01-7f02 r-xp 00001000 fe:00 10   /usr/lib/libssl.so.3 (deleted)
7f02-7f03 r-xp 00001000 fe:00 11   /usr/lib/with space/libz.so.1.2.13 (deleted)
7f03-7f04 r-xp 00001000 fe:00 12   /usr/lib/libc.so.6
7f04-7f05 rw-s 00000000 00:05 13   /dev/shm/PostgreSQL.1 (deleted)
7f05-7f06 rwxs 00000000 00:05 14   /memfd:jit.so (deleted)
7f06-7f07 r-xp 00000000 00:05 15   /tmp/jit-cache (deleted)
7f07-7f08 rw-p 00000000 00:00 0
7f08-7f09 r-xp 00000000 00:00 0    [vdso]
"""


def test_only_code_of_libraries_counts() -> None:
    assert deleted_libraries(MAPS) == ["/usr/lib/libssl.so.3", "/usr/lib/with space/libz.so.1.2.13"]


def host(root: Path, **files: str) -> HostFiles:
    for path, text in files.items():
        target = root / path.replace("__", "/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    return HostFiles(str(root))


def test_a_marker_and_its_packages(tmp_path: Path) -> None:
    name = "run__reboot-required"
    files = host(tmp_path, **{name: "*** System restart required ***\n", f"{name}.pkgs": "libc6\nlibc6\nlinux-base\n"})
    found = host_restart(files)
    assert found["reboot_required"] is True
    assert found["packages"] == ["libc6", "linux-base"]
    assert found["reasons"] == ["/run/reboot-required exists"]


def test_a_newer_kernel_asks_for_a_restart(tmp_path: Path) -> None:
    files = host(tmp_path, proc__sys__kernel__osrelease="6.1.0-9-amd64\n")
    for release in ("6.1.0-9-amd64", "6.1.0-18-amd64", "old"):
        (tmp_path / "lib/modules" / release).mkdir(parents=True)
    found = host_restart(files)
    assert found["reasons"] == ["kernel 6.1.0-18-amd64 is installed and 6.1.0-9-amd64 runs"]


def test_nothing_waits(tmp_path: Path) -> None:
    found = host_restart(host(tmp_path, proc__sys__kernel__osrelease="6.1.0-9-amd64\n"))
    assert (found["reboot_required"], found["reasons"], found["newer_kernel"]) == (False, [], None)


def process(pid: int, *argv: str) -> Process:
    return Process(pid, 1, 0, "comm", argv, "sleeping", 1.0, 0.0, 0, True)


def test_processes_that_run_deleted_code(tmp_path: Path, fake_host) -> None:
    fake_host.add(10, argv=["/usr/sbin/sshd"], cgroup="0::/system.slice/ssh.service")
    files = host(
        tmp_path,
        proc__10__maps=MAPS,
        proc__11__maps="7f03-7f04 r-xp 00001000 fe:00 12   /usr/lib/libc.so.6\n",
        proc__12__maps="",
        proc__13__comm="not readable",
        proc__self__maps=MAPS,
    )
    (tmp_path / "proc/11/exe").symlink_to("/opt/app/bin/node (deleted)")
    gone = process(14)
    found = processes_restart(files, [process(10, "/usr/sbin/sshd"), process(11), process(12), process(13), gone])
    assert [(row["pid"], row["name"], row["unit"]) for row in found["processes"]] == [
        (10, "sshd", "ssh.service"),
        (11, "comm", None),
    ]
    assert found["processes"][1]["deleted"] == ["/opt/app/bin/node"]
    assert (found["processes_found"], found["processes_scanned"], found["processes_unreadable"]) == (2, 2, 1)


def test_a_process_of_a_container_waits_for_nothing_here(tmp_path: Path, fake_host) -> None:
    files = host(tmp_path, proc__10__maps=MAPS, proc__11__maps=MAPS, proc__12__maps=MAPS)
    for pid, namespace in (("self", 1), ("10", 1), ("11", 2)):  # that of 12 cannot be read
        (tmp_path / f"proc/{pid}/ns").mkdir(parents=True)
        (tmp_path / f"proc/{pid}/ns/pid").symlink_to(f"pid:[{namespace}]")
    found = processes_restart(files, [process(10), process(11), process(12)])
    assert [row["pid"] for row in found["processes"]] == [10, 12]


def test_a_library_that_is_deleted_under_a_real_process(tmp_path: Path) -> None:
    """Without psutil on this Python only this one process is given."""
    library = tmp_path / "libreplaced.so"
    shutil.copy(_ctypes.__file__, library)
    user = subprocess.Popen(
        [sys.executable, "-c", "import ctypes, sys; ctypes.PyDLL(sys.argv[1]); print(flush=True); input()", str(library)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )

    def listed() -> list:
        return read_processes() if importlib.util.find_spec("psutil") else [process(user.pid)]

    try:
        assert user.stdout is not None
        user.stdout.readline()
        before = {row["pid"] for row in processes_restart(HostFiles(), listed())["processes"]}
        assert user.pid not in before
        library.unlink()
        rows = {row["pid"]: row for row in processes_restart(HostFiles(), listed())["processes"]}
    finally:
        user.communicate(b"\n", timeout=30)
    assert rows[user.pid]["deleted"] == [str(library)]
