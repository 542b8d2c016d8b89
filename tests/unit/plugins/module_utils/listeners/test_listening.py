"""Who listens, by a /proc of our own."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.listeners import listening
from ansible_collections.upkeep.runbook.plugins.module_utils.listeners.listening import look

LINE = "   0: 00000000:0FA1 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 777 1 0 100 0 0 10 0\n"


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """One listener, and nobody who holds it."""
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "tcp").write_text("  sl  local_address\n" + LINE)
    return tmp_path


def add(folder: Path, *, state: str = "S", opened: bool = True) -> None:
    (folder / "fd").mkdir(parents=True)
    if opened:
        (folder / "fd" / "3").symlink_to("socket:[777]")
    (folder / "stat").write_text(f"7 (a) b) {state} 1 1 1 0 -1 4194304")
    (folder / "status").write_text("Name:\tx\nUid:\t0\t0\t0\t0\n")
    (folder / "cmdline").write_bytes(b"server\0")
    (folder / "exe").symlink_to("/usr/sbin/server")


def test_a_service_that_restarts_just_now_is_looked_at_again(proc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening.time, "sleep", lambda _seconds: add(proc / "7"))
    (listener,) = look(["tcp"], ephemeral_udp=False, proc=proc).listeners
    assert [owner.executable for owner in listener.owners] == ["/usr/sbin/server"]


def test_a_listener_of_the_kernel_stays_without_an_owner(proc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[float] = []
    monkeypatch.setattr(listening.time, "sleep", looks.append)
    found = look(["tcp"], ephemeral_udp=False, proc=proc)
    assert (found.listeners[0].owners, found.unowned, len(looks)) == ((), 0, 2)


def test_a_process_whose_first_thread_has_ended_holds_it_all_the_same(proc: Path) -> None:
    add(proc / "7", state="Z", opened=False)
    add(proc / "7" / "task" / "8")
    (proc / "7" / "exe").unlink()
    (listener,) = look(["tcp"], ephemeral_udp=False, proc=proc).listeners
    assert [owner.executable for owner in listener.owners] == ["/usr/sbin/server"]


def test_a_process_that_ends_meanwhile_is_no_trouble(proc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening.time, "sleep", lambda _seconds: None)
    add(proc / "7")
    (proc / "7" / "status").write_text("")
    assert look(["tcp"], ephemeral_udp=False, proc=proc).listeners[0].owners == ()
