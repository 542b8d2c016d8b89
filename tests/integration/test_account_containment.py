"""Accounts are shut by the real usermod, in a copy of /etc that only the tests' own processes see, and given back byte for byte."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.accounts import authorized_keys, containing, sessions
from ansible_collections.upkeep.runbook.plugins.module_utils.accounts.containing import contain_accounts
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now
from ansible_collections.upkeep.runbook.plugins.modules import account_containment
from ansible_collections.upkeep.runbook.tests.integration.networks import given_options, wait_until

UID = 64_123
HASH = "$y$j9T$salt$secretsecretsecret"
LINES = {
    "plain": f"{HASH}:19000:0:99999:7:::",
    "expiring": f"{HASH}:19000:0:99999:7:30:25000:",
    "locked": f"!{HASH}:19000:0:99999:7:::",
    "service": "*:19000:0:99999:7:::",
    "empty": ":19000:0:99999:7:::",
    "never": "!:19000:0:99999:7:::",
}


class Etc:
    """A copy of /etc with accounts of our own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.state = folder, folder / "state"
        self.etc = folder / "etc"
        self.etc.mkdir()
        for name in ("passwd", "group", "shadow", "gshadow", "login.defs", "nsswitch.conf", "pam.d", "security", "default", "ld.so.cache"):
            source = Path("/etc", name)
            if source.is_dir():
                shutil.copytree(source, self.etc / name, symlinks=True)
            elif source.exists():
                shutil.copy2(source, self.etc / name)
        (folder / "home").mkdir()
        for number, (name, line) in enumerate(LINES.items()):
            with open(self.etc / "passwd", "a", encoding="utf-8") as stream:
                stream.write(f"{name}:x:{UID + number}:{UID}::{self.home(name)}:/bin/sh\n")
            with open(self.etc / "shadow", "a", encoding="utf-8") as stream:
                stream.write(f"{name}:{line}\n")
            (self.home(name) / ".ssh").mkdir(parents=True)
            os.chown(self.home(name), UID + number, UID)
            os.chown(self.home(name) / ".ssh", UID + number, UID)

    def home(self, name: str) -> Path:
        return self.folder / "home" / name

    def keys(self, name: str = "plain") -> Path:
        return self.home(name) / ".ssh" / "authorized_keys"

    def put_keys(self, name: str = "plain", content: bytes = b"ssh-ed25519 AAAA\xff\n") -> Path:
        path = self.keys(name)
        path.write_bytes(content)
        path.chmod(0o640)
        os.chown(path, UID, UID)
        os.utime(path, ns=(1_700_000_000_000_000_001, 1_700_000_000_000_000_002))
        return path

    def shadow(self, name: str = "plain") -> str:
        lines = (self.etc / "shadow").read_text().splitlines()
        return next(line.partition(":")[2] for line in lines if line.startswith(f"{name}:"))

    def contain(self, *users: str, step: int | None = None, before: Callable[[], None] = lambda: None, **options: Any) -> Any:
        """Do what the module does, in a child that sees this /etc; None when it was killed before a step that changes something."""
        params = given_options(account_containment, {"users": list(users), "state_directory": str(self.state), **options})
        check_mode = params.pop("_ansible_check_mode", False)

        def prepare() -> None:
            before()
            if step is not None:
                die_before(step)

        return self.use(lambda: contain_accounts(params, now=utc_now(), check_mode=check_mode), prepare)

    def use(self, work: Callable[[], Any], before: Callable[[], None] = lambda: None) -> Any:
        """Do something in a child that sees this /etc, and return its answer as a module would; None when it was killed."""
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.unshare(os.CLONE_NEWNS)
                subprocess.run(["mount", "--make-rprivate", "/"], check=True)
                subprocess.run(["mount", "--bind", str(self.etc), "/etc"], check=True)
                before()
                try:
                    answer = work()
                except UpkeepError as exc:
                    answer = {"failed": True, "msg": exc.message}
                os.write(write, json.dumps(answer).encode())
            finally:
                os._exit(0)
        os.close(write)
        with open(read, "rb") as stream:
            text = stream.read()
        os.waitpid(child, 0)
        assert HASH.encode() not in text
        return json.loads(text) if text else None


def die_before(step: int) -> None:
    left = [step]

    def dying(call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **keywords: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments, **keywords)
        return wrapped

    for name in ("write_contained", "run_usermod", "forget_contained"):
        setattr(containing, name, dying(getattr(containing, name)))
    for name in ("store", "take_away", "put_back"):
        setattr(authorized_keys, name, dying(getattr(authorized_keys, name)))


@pytest.fixture
def etc(tmp_path: Path) -> Etc:
    return Etc(tmp_path)


@pytest.mark.parametrize("name", list(LINES))
def test_check_run_check_run_and_back_byte_for_byte(etc: Etc, name: str) -> None:
    path = etc.put_keys(name)
    content, status, line, whole = path.read_bytes(), path.stat(), etc.shadow(name), (etc.etc / "shadow").read_bytes()
    planned = etc.contain(name, _ansible_check_mode=True)
    assert planned["changed"] and planned["accounts"][0]["key_files"] == [str(path)]
    assert not etc.state.exists() and path.exists() and (etc.etc / "shadow").read_bytes() == whole

    done = etc.contain(name, reason="a test")
    assert done["changed"] and done["status"] == "ok", done
    fields = etc.shadow(name).split(":")
    assert fields[6] == "1" and (fields[0] == "" or fields[0].startswith("!")) and not path.exists()
    noted = [one for one in etc.state.rglob("*") if one.is_file() and one.name != "lock"]
    assert {one.stat().st_mode & 0o777 for one in noted} == {0o600} and not [one for one in noted if HASH.encode() in one.read_bytes()]

    assert not etc.contain(name, _ansible_check_mode=True)["changed"] and not etc.contain(name)["changed"]
    assert etc.contain(state="query")["status"] == "ok"

    assert etc.contain(name, state="absent", _ansible_check_mode=True)["changed"] and not path.exists()
    back = etc.contain(name, state="absent")
    assert back["changed"] and back["status"] == "ok", back
    assert etc.shadow(name) == line and (etc.etc / "shadow").read_bytes() == whole
    after = path.stat()
    assert path.read_bytes() == content
    assert (after.st_mode, after.st_uid, after.st_gid, after.st_mtime_ns) == (status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns)
    assert not etc.contain(name, state="absent")["changed"] and not list((etc.state / "containment").iterdir())


def test_what_somebody_did_meanwhile_is_said_and_not_overwritten(etc: Etc) -> None:
    path = etc.put_keys()
    etc.contain("plain")
    path.write_text("ssh-ed25519 of the intruder\n")
    shadow = (etc.etc / "shadow").read_text()
    (etc.etc / "shadow").write_text(shadow.replace(f"plain:!{HASH}:19000:0:99999:7::1:", "plain:$y$new:20000:0:99999:7:::"))
    seen = etc.contain(state="query")
    assert {(row["check"], row["status"]) for row in seen["checks"]} == {("account.login", "critical"), ("account.keys", "critical")}
    # Contained again: what came later goes too, and does not come back.
    assert etc.contain("plain")["status"] == "ok" and not path.exists()
    back = etc.contain("plain", state="absent")
    assert back["status"] == "warning" and etc.shadow() == "$y$new:20000:0:99999:7:::"
    assert path.read_bytes() == b"ssh-ed25519 AAAA\xff\n"

    etc.contain("plain")
    path.write_text("another\n")
    left = etc.contain("plain", state="absent")
    assert left["status"] == "warning" and path.read_text() == "another\n" and "was left" in left["checks"][0]["summary"]
    path.unlink()
    assert etc.contain("plain", state="absent")["status"] == "ok" and path.read_bytes() == b"ssh-ed25519 AAAA\xff\n"


@pytest.mark.parametrize("kind", ["link", "folder link", "pipe", "directory", "large"])
def test_hostile_files_of_keys_are_refused_and_the_account_is_shut_all_the_same(etc: Etc, kind: str) -> None:
    path = etc.keys()
    victim = etc.folder / "victim"
    victim.write_text("of root\n")
    if kind == "link":
        path.symlink_to(victim)
    elif kind == "folder link":
        path.parent.rmdir()
        (etc.folder / "elsewhere").mkdir()
        (etc.folder / "elsewhere" / "authorized_keys").write_text("of root\n")
        path.parent.symlink_to(etc.folder / "elsewhere")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    else:
        with open(path, "wb") as stream:
            stream.truncate(authorized_keys.MAX_BYTES + 1)
    done = etc.contain("plain")
    assert done["status"] == "critical" and {row["check"] for row in done["checks"]} == {"account.keys"}
    assert etc.shadow().startswith("!") and victim.read_text() == "of root\n"
    assert etc.contain(state="query")["status"] == "critical"
    assert kind != "folder link" or (etc.folder / "elsewhere" / "authorized_keys").exists()
    assert etc.contain("plain", state="absent")["changed"] and etc.shadow() == LINES["plain"]


def test_an_immutable_file_of_keys_is_told_and_the_others_are_contained_all_the_same(etc: Etc) -> None:
    path = etc.put_keys()
    subprocess.run(["chattr", "+i", str(path)], check=True)
    try:
        done = etc.contain("plain", "expiring")
        assert done["status"] == "critical" and {row["check"] for row in done["checks"] if row["status"] == "critical"} == {"account.keys"}
        assert "may be immutable" in json.dumps(done["checks"]) and path.exists()
        assert etc.shadow().startswith("!") and etc.shadow("expiring").startswith("!")
    finally:
        subprocess.run(["chattr", "-i", str(path)], check=True)
    assert etc.contain("plain")["status"] == "ok" and not path.exists()


def test_an_account_that_a_lock_does_not_shut_is_refused_and_a_second_name_is_told(etc: Etc) -> None:
    passwd, whole = (etc.etc / "passwd").read_text(), (etc.etc / "shadow").read_bytes()
    (etc.etc / "passwd").write_text(passwd.replace("plain:x:", f"plain:{HASH}:"))
    refused = etc.contain("expiring", "plain")
    assert refused["failed"] and "stands in /etc/passwd" in refused["msg"] and HASH not in refused["msg"]
    assert (etc.etc / "shadow").read_bytes() == whole
    (etc.etc / "passwd").write_text(f"{passwd}other:x:{UID}:{UID}::/:/bin/sh\n")
    done = etc.contain("plain")
    assert done["status"] == "critical" and "under another name: other" in done["checks"][0]["summary"]


def test_who_must_not_be_contained_is_refused(etc: Etc) -> None:
    whole = (etc.etc / "shadow").read_bytes()
    for users, named in ((["plain", "root"], "is root"), (["nobody-here"], "no local account"), ([], "name at least one"), (["../x"], "no name")):
        refused = etc.contain(*users)
        assert refused["failed"] and named in refused["msg"]
    ours = etc.contain("plain", before=lambda: setattr(sessions, "account_uids", lambda pids: {UID}))
    assert ours["failed"] and "you could not come back" in ours["msg"]
    # Whoever is root for these tests logged in as root, or nobody knows as whom.
    root = etc.contain("root", allow_root=True, before=lambda: setattr(sessions, "account_uids", lambda pids: {0}))
    assert root["failed"] and "you could not come back" in root["msg"]
    assert (etc.etc / "shadow").read_bytes() == whole and not (etc.state / "containment").exists()


SESSION = """
import os, sys, time
with open("/proc/self/comm", "w") as stream:
    stream.write(sys.argv[1])
if os.fork() == 0:
    os.setgid(int(sys.argv[2]))
    os.setuid(int(sys.argv[2]))
    print(os.getpid(), flush=True)
    time.sleep(600)
os.wait()
"""


@pytest.fixture
def logged_in() -> Iterator[Callable[[str], int]]:
    """Start a process of our account below one of a given name, and return its number."""
    started = []

    def start(parent: str) -> int:
        process = subprocess.Popen([sys.executable, "-c", SESSION, parent, str(UID)], stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        return int(process.stdout.readline())

    yield start
    for process in started:
        for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split() if process.poll() is None else []:
            os.kill(int(pid), signal.SIGKILL)
        process.kill()
        process.communicate()


def test_sessions_end_and_services_go_on(etc: Etc, logged_in: Callable[[str], int]) -> None:
    session, service = logged_in("sshd"), logged_in("node")
    planned = etc.contain("plain", _ansible_check_mode=True)
    assert [one["pid"] for one in planned["accounts"][0]["sessions"]] == [session]
    etc.contain("plain", end_sessions=False)
    assert {row["check"] for row in etc.contain(state="query")["checks"]} == {"account.sessions"}
    done = etc.contain("plain")
    assert done["changed"] and done["accounts"][0]["sessions_ended"] == 1 and done["status"] == "ok"
    wait_until(lambda: not Path(f"/proc/{session}").exists())
    assert Path(f"/proc/{service}/stat").read_text().split()[2] != "Z"
    assert not etc.contain("plain")["changed"]


@pytest.mark.parametrize("state", ["present", "absent"])
def test_killed_before_each_step_nothing_is_lost(etc: Etc, state: str) -> None:
    path, died = etc.put_keys(), 0
    while True:
        assert died < 20
        if state == "absent":
            etc.contain("plain")
        if etc.contain("plain", step=died, state=state) is not None:
            break
        died += 1
        assert etc.contain("plain")["status"] == "ok" and not path.exists() and etc.shadow().startswith("!")
        assert etc.contain("plain", state="absent")["status"] == "ok"
        assert etc.shadow() == LINES["plain"] and path.read_bytes() == b"ssh-ed25519 AAAA\xff\n"
        assert path.stat().st_mode & 0o777 == 0o640
    assert died >= 3
