"""Accounts as values: what is locked and how it is undone, where keys may be, which processes are sessions, what is noted."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.accounts import local_accounts, sessions
from ansible_collections.upkeep.runbook.plugins.module_utils.accounts.account_checks import Outcome, answer
from ansible_collections.upkeep.runbook.plugins.module_utils.accounts.authorized_keys import (
    KeyFile,
    Unsafe,
    places,
    put_back,
    read_key_file,
    store,
    take_away,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.accounts.contained import (
    Contained,
    Shadow,
    check_name,
    contained_names,
    read_contained,
    write_contained,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.accounts.local_accounts import (
    Account,
    open_argv,
    read_account,
    shut_argv,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError


def account(line: str) -> Account:
    return Account("deploy", 1001, "/home/deploy", f"deploy:{line}".encode())


@pytest.mark.parametrize(
    ("line", "shut", "after", "argv"),
    [
        ("$y$x:1:0:9:7:::", False, "!$y$x:1:0:9:7::1:", ["usermod", "--lock", "--expiredate", "1", "deploy"]),
        ("$y$x:1:0:9:7::25000:", False, "!$y$x:1:0:9:7::1:", ["usermod", "--lock", "--expiredate", "1", "deploy"]),
        ("*:1:0:9:7::1:", False, "!*:1:0:9:7::1:", ["usermod", "--lock", "--expiredate", "1", "deploy"]),
        ("!$y$x:1:0:9:7:::", False, "!$y$x:1:0:9:7::1:", ["usermod", "--expiredate", "1", "deploy"]),
        (":1:0:9:7:::", False, ":1:0:9:7::1:", ["usermod", "--expiredate", "1", "deploy"]),
        ("!:1:0:9:7::1:", True, "!:1:0:9:7::1:", ["usermod", "--expiredate", "1", "deploy"]),
    ],
)
def test_what_shuts_an_account_and_how_its_line_is_then(line: str, shut: bool, after: str, argv: list[str]) -> None:
    one = account(line)
    assert one.is_shut() is shut and shut_argv(one) == argv
    assert one.digest_when_shut() == hashlib.sha256(f"deploy:{after}".encode()).hexdigest()


def test_what_opens_it_names_no_password() -> None:
    one = account("!$y$x:1:0:9:7::1:")
    assert open_argv(one, unlock=True, expire="") == ["usermod", "--unlock", "--expiredate", "", "deploy"]
    assert open_argv(one, unlock=False, expire="25000") == ["usermod", "--expiredate", "25000", "deploy"]
    assert open_argv(one, unlock=True, expire=None) == ["usermod", "--unlock", "deploy"]


def test_accounts_are_read_by_their_whole_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_accounts, "PASSWD", tmp_path / "passwd")
    monkeypatch.setattr(local_accounts, "SHADOW", tmp_path / "shadow")
    (tmp_path / "passwd").write_bytes(b"deployer:x:1:1::/:\n\xff:x:2:2::/:\ndeploy:x:1001:1::/home/d:/bin/sh\nhalf:x:5\nlone:x:6:6::/:/bin/sh\n"
                                      b"open:$y$x:7:7::/:/bin/sh\ntwin:x:1001:1\n")
    (tmp_path / "shadow").write_bytes(b"deployer:a:::::::\ndeploy:$y$x:1:0:9:7:::\nopen:!:1:0:9:7::1:\n")
    found = read_account("deploy")
    assert (found.uid, found.home, found.expire, found.has_password_to_lock) == (1001, "/home/d", "", True)
    for name, reason in (("depl", "no local account"), ("half", "no local account"), ("lone", "no line in /etc/shadow"),
                         ("open", "stands in /etc/passwd")):
        with pytest.raises(UpkeepError, match=reason):
            read_account(name)
    assert local_accounts.names_of(1001) == ["deploy", "twin"]
    (tmp_path / "shadow").unlink()
    with pytest.raises(UpkeepError, match="cannot read"):
        read_account("deploy")


def test_places_of_keys() -> None:
    assert places([".ssh/a", "%h/b", "/etc/keys/%u", "/x/%%u/%U", ".ssh/a"], "deploy", 1001, "/home/d/") == [
        "/home/d/.ssh/a", "/home/d//b", "/etc/keys/deploy", "/x/%u/1001"
    ]


@pytest.mark.parametrize("name", ["", "..", "a/b", "-x", "a" * 40, "a\n", "a b", "\u00fc"])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(UpkeepError):
        check_name(name)


class Keys:
    def __init__(self, folder: Path) -> None:
        self.home, self.stored = folder / "home", folder / "stored"
        (self.home / ".ssh").mkdir(parents=True)
        self.path = self.home / ".ssh" / "authorized_keys"

    def read(self) -> tuple[bytes, os.stat_result]:
        found = read_key_file(str(self.path), str(self.home))
        assert found is not None
        return found

    def move(self) -> KeyFile:
        key_file = store(str(self.path), *self.read(), self.stored)
        take_away(key_file, str(self.home))
        return key_file


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path)


def test_a_file_of_keys_goes_and_comes_back(keys: Keys) -> None:
    assert read_key_file(str(keys.path), str(keys.home)) is None
    keys.path.write_bytes(b"a\0\xff\n")
    keys.path.chmod(0o604)
    moved = keys.move()
    assert not keys.path.exists() and (keys.stored / moved.stored).stat().st_mode & 0o777 == 0o600
    take_away(moved, str(keys.home))
    assert put_back(moved, str(keys.home), keys.stored) and not put_back(moved, str(keys.home), keys.stored)
    assert keys.path.read_bytes() == b"a\0\xff\n" and keys.path.stat().st_mode & 0o777 == 0o604
    assert [path.name for path in keys.path.parent.iterdir()] == ["authorized_keys"]


def test_a_file_that_changed_is_neither_taken_nor_overwritten(keys: Keys) -> None:
    keys.path.write_text("one")
    key_file = store(str(keys.path), *keys.read(), keys.stored)
    keys.path.write_text("two")
    with pytest.raises(Unsafe, match="changed just now"):
        take_away(key_file, str(keys.home))
    with pytest.raises(Unsafe, match="was left"):
        put_back(key_file, str(keys.home), keys.stored)
    assert keys.path.read_text() == "two"
    keys.path.unlink()
    (keys.stored / key_file.stored).write_text("forged")
    with pytest.raises(UpkeepError, match="not what was stored"):
        put_back(key_file, str(keys.home), keys.stored)
    keys.path.parent.rmdir()
    (keys.stored / key_file.stored).write_text("one")
    with pytest.raises(Unsafe, match="cannot be used"):
        put_back(key_file, str(keys.home), keys.stored)


def test_a_file_that_cannot_be_removed_is_told(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    def immutable(*_arguments: object, **_keywords: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    keys.path.write_text("one")
    key_file = store(str(keys.path), *keys.read(), keys.stored)
    with monkeypatch.context() as patched:
        patched.setattr(os, "unlink", immutable)
        with pytest.raises(Unsafe, match="Operation not permitted.; it may be immutable"):
            take_away(key_file, str(keys.home))


@pytest.mark.parametrize("path", ["/home/../etc/shadow", "{home}/../x", "{home}/.ssh/.."])
def test_paths_that_lead_out_of_the_home(keys: Keys, path: str) -> None:
    given = path.format(home=keys.home)
    if given.startswith("/home/.."):
        assert places(["../../etc/shadow"], "x", 1001, "/home/x") == ["/home/x/../../etc/shadow"]
        given = f"{keys.home}/../../etc/shadow"
    with pytest.raises(Unsafe, match="no path of a file"):
        read_key_file(given, str(keys.home))


NOTED = Contained(
    "deploy", 1001, "2026-11-22T05:00:00Z", "INC-42", "r", Shadow(True, "", "a" * 64, "b" * 64),
    (KeyFile("/home/d/.ssh/authorized_keys", "0123456789abcdef", "c" * 64, 0o600, 1001, 1001, 5),),
)


def test_what_is_noted_comes_back(tmp_path: Path) -> None:
    assert read_contained(tmp_path, "deploy") is None and contained_names(tmp_path) == []
    write_contained(tmp_path / "state", NOTED)
    assert read_contained(tmp_path / "state", "deploy") == NOTED and contained_names(tmp_path / "state") == ["deploy"]
    assert (tmp_path / "state" / "containment").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("old", "new"), [("{", "[" * 100_000), ('"deploy"', '"root"'), ("0123456789abcdef", "../../../etc/shadow"), ("{", ""), ('"uid"', '"x"')]
)
def test_a_damaged_note_is_named(tmp_path: Path, old: str, new: str) -> None:
    write_contained(tmp_path, NOTED)
    path = tmp_path / "containment" / "deploy.json"
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(UpkeepError, match="no record of a contained account"):
        read_contained(tmp_path, "deploy")


def test_a_note_of_another_version_is_said_to_be_one(tmp_path: Path) -> None:
    write_contained(tmp_path, NOTED)
    path = tmp_path / "containment" / "deploy.json"
    path.write_text(path.read_text().replace('"schema": 1', '"schema": 2'))
    with pytest.raises(UpkeepError, match="another version .schema 2."):
        read_contained(tmp_path, "deploy")
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(UpkeepError, match="no record of a contained account"):
        read_contained(tmp_path, "deploy")


class FakeProc:
    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root / "proc"
        monkeypatch.setattr(sessions, "PROC", self.root)
        monkeypatch.setattr(sessions, "units_of", lambda pid: [self.units.get(pid, "x.service")])
        self.units: dict[int, str] = {}

    def add(self, pid: int, parent: int, uid: int, *, name: str = "sh", login: int | None = None, state: str = "S", unit: str = "") -> None:
        folder = self.root / str(pid)
        folder.mkdir(parents=True)
        (folder / "stat").write_text(f"{pid} ({name}) {state} {parent} " + " ".join(["0"] * 17) + f" {pid * 7} 0")
        (folder / "status").write_text(f"Name:\tx\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\n")
        if login is not None:
            (folder / "loginuid").write_text(str(login))
        if unit:
            self.units[pid] = unit


def test_which_processes_are_sessions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    proc = FakeProc(tmp_path, monkeypatch)
    unset = 4_294_967_295
    proc.add(1, 0, 0, name="systemd")
    proc.add(10, 1, 1001, name="a ) (b", login=unset)  # a service of the account
    proc.add(20, 1, 0, name="sshd")
    proc.add(21, 20, 1001)  # below a server of ssh
    proc.add(22, 21, 0, login=1001)  # it became root
    proc.add(23, 1, 1001, unit="session-4.scope")
    proc.add(24, 1, 1001, unit="user@1001.service")
    proc.add(25, 1, 1001, unit="user@1002.service")
    proc.add(30, 20, 1002)  # somebody else
    proc.add(31, 20, 1001, state="Z")
    proc.add(40, 20, 1001)  # the operator's own
    found = sessions.find_sessions(1001, [40])
    assert [(one.pid, one.start) for one in sorted(found, key=lambda one: one.pid)] == [(pid, pid * 7) for pid in (21, 22, 23, 24)]
    assert sessions.account_uids([1, 22, 30, 77]) == {1001, 1002}
    # Where nobody else began the run it was root, who could be shut out like everybody.
    assert sessions.account_uids([1, 20]) == {0}
    proc.add(50, 20, 0, login=0)
    proc.add(51, 20, 0, login=1002)  # root's part of the session of somebody else
    assert sessions.account_uids([1, 50]) == {0}
    assert [one.pid for one in sessions.find_sessions(0, [])] == [50]


@pytest.mark.parametrize(
    ("outcome", "state", "expected"),
    [
        (Outcome("a"), "query", [("account.login", "ok")]),
        (Outcome("a", NOTED), "query", [("account.login", "ok")]),
        (Outcome("a", NOTED, open=True), "query", [("account.login", "critical")]),
        (Outcome("a", NOTED, left_keys=["/x\n"]), "query", [("account.keys", "critical")]),
        (Outcome("a", NOTED, open_names=["b"]), "query", [("account.login", "critical")]),
        (Outcome("a", unknown="why"), "query", [("account.login", "unknown")]),
        (Outcome("a", NOTED, unsafe=["/x is a link"]), "present", [("account.keys", "critical")]),
        (Outcome("a", NOTED, released=True, differs=True), "absent", [("account.login", "warning")]),
        (Outcome("a", NOTED, released=True), "absent", [("account.login", "ok")]),
    ],
)
def test_what_is_said(outcome: Outcome, state: str, expected: list[tuple[str, str]]) -> None:
    rows = [(row["check"], row["status"]) for row in answer([outcome], state, done=True)["checks"]]
    assert rows == expected
