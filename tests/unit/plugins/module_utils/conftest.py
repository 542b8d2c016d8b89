"""A host of our own: a psutil that shows the processes and sockets that a test wants, and the files of /proc beside it."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils import processes


class PsutilError(Exception):
    """The base of what psutil raises."""


class NoSuchProcess(PsutilError):
    """A process has ended."""


class FakeHost:
    """The test of processes.py on this machine shows that the real psutil answers in this form."""

    def __init__(self, root: Path) -> None:
        self.proc = root / "proc"
        self.shown: dict[int, dict[str, Any]] = {}
        #: Pids of processes that end before anything else is asked of them.
        self.ended: list[int] = []
        self.sockets: list[SimpleNamespace] = []
        self.failure: Exception | None = None
        self.psutil = ModuleType("psutil")
        self.psutil.__dict__.update(
            Error=PsutilError, NoSuchProcess=NoSuchProcess, pids=self._pids, net_connections=self._net_connections,
            Process=self._process,
        )
        self.add(1, argv=["/sbin/init"], parent=0)

    def add(
        self,
        pid: int,
        *,
        argv: list[str],
        parent: int = 1,
        uid: int = 0,
        state: str = "sleeping",
        name: str = "node",
        created: float = 99.0,
        cpu: float = 0.0,
        rss: int = 4096,
        vms: int = 8192,
        cgroup: str = "0::/init.scope",
        exe: str | None = None,
        sockets: tuple[int, ...] = (),
    ) -> None:
        """Add a process, or change it; sockets are the inodes behind its file descriptors 0, 1, 2…"""
        self.shown[pid] = {
            "pid": pid, "ppid": parent, "uids": SimpleNamespace(real=0, effective=uid), "name": name, "cmdline": argv,
            "status": state, "create_time": created, "cpu_times": SimpleNamespace(user=cpu, system=0.0),
            "memory_info": SimpleNamespace(rss=rss, vms=vms),
        }
        directory = self.proc / str(pid)
        (directory / "fd").mkdir(parents=True, exist_ok=True)
        (directory / "cgroup").write_text(cgroup + "\n")
        (directory / "stat").write_text(f"{pid} ({name}) {'Z' if state == 'zombie' else 'S'} {parent}")
        if exe is not None:
            (directory / "exe").symlink_to(exe)
        for number, inode in enumerate(sockets):
            (directory / "fd" / str(number)).symlink_to(f"socket:[{inode}]")

    def listen(self, *rows: tuple[str, int, int | None, int]) -> None:
        """Set the sockets that listen: address, port, pid, file descriptor."""
        self.sockets = [
            SimpleNamespace(laddr=SimpleNamespace(ip=ip, port=port), raddr=(), status="LISTEN", pid=pid, fd=descriptor)
            for ip, port, pid, descriptor in rows
        ]

    def _pids(self) -> list[int]:
        if self.failure is not None:
            raise self.failure
        return sorted([*self.shown, *self.ended])

    def _net_connections(self, kind: str) -> list[SimpleNamespace]:
        assert kind == "tcp"
        return self.sockets

    def _process(self, pid: int) -> SimpleNamespace:
        if pid not in self.shown:
            raise NoSuchProcess(pid)
        shown = self.shown[pid]
        return SimpleNamespace(
            as_dict=lambda facts: {fact: shown[fact] for fact in facts},
            memory_full_info=lambda: SimpleNamespace(pss=shown["memory_info"].rss // 2),
        )


@pytest.fixture
def fake_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHost:
    host = FakeHost(tmp_path)
    monkeypatch.setitem(sys.modules, "psutil", host.psutil)
    monkeypatch.setattr(processes, "PROC", host.proc)
    return host


@pytest.fixture
def no_psutil(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this Python have no psutil."""
    monkeypatch.setitem(sys.modules, "psutil", None)
