"""A key is put into an account and taken away again: every other byte, the owner and the rights stay, whenever it is killed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.accounts import trial_keys
from ansible_collections.upkeep.runbook.plugins.module_utils.accounts.trial_keys import trial_key, without_trial_keys
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now
from ansible_collections.upkeep.runbook.plugins.modules import trial_key as module
from ansible_collections.upkeep.runbook.tests.integration.networks import given_options
from ansible_collections.upkeep.runbook.tests.integration.test_account_containment import UID, Etc
from ansible_collections.upkeep.runbook.tests.unit.plugins.needing_root import root

__all__ = ["root"]

PUBLIC = f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{'A' * 43} somebody@observer"
LINE = rb'restrict,command="true",expiry-time="(\d{12})" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA{43} upkeep-trial-key(-and-file)?\n'
#: Without a newline at the end, with one of Windows, with bytes that are no text, and with what only looks like a line of ours.
CONTENTS = [
    b"", b"\n", b"# mine\nssh-ed25519 AAAA\xff me", b"ssh-rsa AAAA me\r\n\r\n\x0b\x0c\n",
    b"ssh-ed25519 AAAA upkeep-trial-key\nrestrict,command=\"true\" ssh-ed25519 AAAA upkeep-trial-key\n",
]  # fmt: skip


@pytest.fixture
def etc(root: None, tmp_path: Path) -> Etc:
    return Etc(tmp_path)


def act(etc: Etc, state: str, before: Callable[[], None] = lambda: None, **options: Any) -> Any:
    given = {"user": "plain", "state": state, "public_key": PUBLIC, "state_directory": str(etc.state), **options}
    params = given_options(module, given)
    check_mode = params.pop("_ansible_check_mode", False)
    return etc.use(lambda: trial_key(params, now=utc_now(), check_mode=check_mode), before)


def what_is_there(path: Path) -> tuple[bytes, int, int, int, list[str]]:
    status = path.stat()
    return path.read_bytes(), status.st_mode, status.st_uid, status.st_gid, sorted(os.listdir(path.parent))


@pytest.mark.parametrize("content", CONTENTS)
def test_every_other_byte_stays(etc: Etc, content: bytes) -> None:
    path = etc.put_keys(content=content)
    os.setxattr(path, "trusted.note", b"mine")
    before = what_is_there(path)
    assert act(etc, "present", _ansible_check_mode=True)["changed"] and what_is_there(path) == before and not etc.state.exists()

    placed = act(etc, "present", valid_seconds=600)
    assert placed == {"changed": True, "key_file": str(path), "leftover": False}
    match = re.fullmatch(LINE + re.escape(content), path.read_bytes(), re.DOTALL)
    assert match is not None and match[2] is None and what_is_there(path)[1:] == before[1:]
    ends = datetime.strptime(match[1].decode(), "%Y%m%d%H%M")  # in the time zone of this machine, as sshd reads it
    assert 600 <= (ends - datetime.now()).total_seconds() + 60 and (ends - datetime.now()).total_seconds() <= 600 + 60

    again = act(etc, "present")
    assert again["leftover"] and re.fullmatch(LINE + re.escape(content), path.read_bytes(), re.DOTALL)
    assert act(etc, "absent", _ansible_check_mode=True)["changed"]
    assert act(etc, "absent")["changed"] and what_is_there(path) == before and os.getxattr(path, "trusted.note") == b"mine"
    assert not act(etc, "absent")["changed"]


def test_a_file_that_was_made_for_it_goes_with_it(etc: Etc) -> None:
    assert act(etc, "present")["changed"] and act(etc, "present")["leftover"]
    status = etc.keys().stat()
    assert (status.st_uid, status.st_mode & 0o777) == (UID, 0o600)
    assert act(etc, "absent")["changed"] and not os.listdir(etc.keys().parent)
    act(etc, "present")
    with open(etc.keys(), "ab") as stream:
        stream.write(b"ssh-ed25519 AAAA somebody\n")
    assert act(etc, "absent")["changed"] and etc.keys().read_bytes() == b"ssh-ed25519 AAAA somebody\n"


def test_who_must_not_be_touched_is_refused(etc: Etc) -> None:
    etc.put_keys("locked")
    assert "is root" in act(etc, "present", user="root")["msg"]
    assert "no local account" in act(etc, "present", user="nobody-here")["msg"]
    assert "public_key" in act(etc, "present", public_key="ssh-rsa AAAA")["msg"]
    assert "public_key" in act(etc, "present", public_key=f'{PUBLIC.split()[0]} AAAA"\n,command="sh"')["msg"]
    assert etc.contain("locked")["changed"] and "is contained" in act(etc, "present", user="locked")["msg"]
    assert act(etc, "absent", user="locked") == {"changed": False, "key_file": str(etc.keys("locked")), "leftover": False}


@pytest.mark.parametrize("trap", ["link", "folder link", "no folder", "two names", "immutable", "a folder"])
def test_a_home_that_is_a_trap_is_left_as_it_is(etc: Etc, trap: str) -> None:
    path, target = etc.keys(), etc.folder / "target"
    target.mkdir()
    (target / "authorized_keys").write_bytes(b"of somebody else\n")
    if trap == "link":
        path.symlink_to(target / "authorized_keys")
    elif trap == "two names":
        os.link(target / "authorized_keys", path)
    elif trap == "a folder":
        path.mkdir()
    elif trap == "immutable":
        etc.put_keys()
        subprocess.run(["chattr", "+i", str(path)], check=True)
    else:
        path.parent.rmdir()
        if trap == "folder link":
            path.parent.symlink_to(target)
    try:
        assert act(etc, "present")["failed"], trap
    finally:
        if trap == "immutable":
            subprocess.run(["chattr", "-i", str(path)], check=True)
    assert (target / "authorized_keys").read_bytes() == b"of somebody else\n" and os.listdir(target) == ["authorized_keys"]
    assert not [name for name in os.listdir(etc.home("plain")) if name.startswith(".upkeep")]


@pytest.mark.parametrize("state", ["present", "absent"])
def test_killed_at_any_moment_the_next_run_puts_everything_in_order(etc: Etc, state: str) -> None:
    path = etc.put_keys()
    before = what_is_there(path)
    for name in ("write", "fchown", "fsync", "replace"):
        if state == "absent":
            act(etc, "present")
        assert act(etc, state, before=lambda name=name: die_at(name)) is None, name  # type: ignore[misc]
        kept = path.read_bytes()
        assert kept == before[0] or re.fullmatch(LINE + re.escape(before[0]), kept, re.DOTALL), name
        act(etc, "present")
        act(etc, "absent")
        assert what_is_there(path) == before, name


def die_at(name: str) -> None:
    def die(*_arguments: Any, **_options: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    if name == "write":
        trial_keys._write = die
    else:
        setattr(trial_keys.os, name, die)


def test_what_somebody_else_writes_meanwhile_is_not_lost(etc: Etc) -> None:
    path = etc.put_keys()

    def meddle() -> None:
        write = trial_keys._write

        def slow(*arguments: Any) -> None:
            write(*arguments)
            path.write_bytes(b"new\n")

        trial_keys._write = slow

    assert "changed just now" in act(etc, "present", before=meddle)["msg"]
    assert path.read_bytes() == b"new\n" and os.listdir(path.parent) == ["authorized_keys"]


def test_only_lines_of_this_form_are_ours() -> None:
    for content in CONTENTS:
        assert without_trial_keys(content) == (content, False)
