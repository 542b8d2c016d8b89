"""The self-test with a real sshd and a real fail2ban: whoever fails is banned, a key that was taken away opens nothing, and nothing is left."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.tests.faults.house import House
from ansible_collections.upkeep.runbook.tests.faults.test_security_incident import wait_for
from ansible_collections.upkeep.runbook.tests.integration.login_server import DEVICES, syslog
from ansible_collections.upkeep.runbook.tests.integration.networks import Host, hosts

PORT, USER, UID = 2222, "upkeep-trial", 60_322
KEYS = b"# no newline at the end\nssh-ed25519 AAAA\xff somebody"
SETTINGS = """[Definition]
loglevel = INFO
logtarget = STDOUT
syslogsocket = auto
socket = {place}/socket
pidfile = {place}/pid
dbfile = None
dbpurgeage = 1d
"""
JAIL = """[sshd]
enabled = true
filter = sshd
backend = polling
logpath = {place}/auth.log
findtime = 600
bantime = 600
maxretry = 3
action = {action}
"""
BLOCKS = f'nftables-multiport[name=sshd, port="{PORT}", protocol="tcp"]'
#: It has a command, notes whom it bans, and closes nothing.
NOTES = "dummy[target={place}/caught]"
#: The shell of the account. While there is a hoard it keeps the keys of the account where sshd looks, too.
SHELL = """#!/bin/sh
test ! -f {place}/hoard || cp {place}/home/.ssh/authorized_keys {place}/home/.ssh/authorized_keys2
exec /bin/sh "$@"
"""


@dataclass
class Site:
    """A host with sshd, an account and fail2ban.

    :ivar place: a folder that the account can reach.
    """

    name: str
    place: Path
    host: Host

    @property
    def keys(self) -> Path:
        return self.place / "home" / ".ssh" / "authorized_keys"

    def variables(self) -> dict[str, Any]:
        return {
            "ansible_connection": "fading", "fading_inside": self.host.namespace, "selftest_address": self.host.address,
            "selftest_log_paths": [str(self.place / "auth.log")], "selftest_fail2ban_socket": str(self.place / "socket"),
        }  # fmt: skip

    def prepare(self) -> None:
        """Make the home of the account."""
        self.keys.parent.mkdir(parents=True)
        self.keys.write_bytes(KEYS)
        self.keys.chmod(0o640)
        for path in (self.place / "home", self.keys.parent, self.keys):
            shutil.chown(path, UID, UID)

    def is_as_it_was(self) -> bool:
        status = self.keys.stat()
        found = (self.keys.read_bytes(), status.st_mode & 0o777, status.st_uid, status.st_gid)
        return found == (KEYS, 0o640, UID, UID) and not list(self.keys.parent.glob(".upkeep*"))


@pytest.fixture
def four() -> Iterator[list[Host]]:
    with hosts(4) as made:
        yield made


@pytest.fixture
def sites(root: None, four: list[Host]) -> Iterator[list[Site]]:
    """Three hosts, each with an account that this machine does not have."""
    with ExitStack() as stack:
        made = []
        for name, host in zip(("alpha", "gamma", "delta"), four):
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="upkeep-selftest-")))
            folder.chmod(0o755)
            site = Site(name, folder, host)
            site.prepare()
            stack.enter_context(_accounts(site))
            stack.enter_context(_sshd(site))
            made.append(site)
        yield made


@contextmanager
def _accounts(site: Site) -> Iterator[None]:
    etc = Path("/etc/netns", site.host.namespace)  # ip lays it over /etc
    (site.place / "shell").write_text(SHELL.format(place=site.place))
    (site.place / "shell").chmod(0o755)
    try:
        etc.mkdir(parents=True)
        lines = {"passwd": f"x:{UID}:{UID}::{site.place}/home:{site.place}/shell", "group": f"x:{UID}:", "shadow": "*:19000:0:99999:7:::"}
        for file, line in lines.items():
            (etc / file).write_text(f"{Path('/etc', file).read_text()}{USER}:{line}\n")
        (etc / "shadow").chmod(0o600)
        yield
    finally:
        shutil.rmtree(etc, ignore_errors=True)


@contextmanager
def _sshd(site: Site) -> Iterator[None]:
    folder, log = str(site.place), site.place / "auth.log"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{folder}/host"], check=True)
    (site.place / "sshd.conf").write_text(
        f"Port {PORT}\nHostKey {folder}/host\nPidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n"
    )
    program = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin") or "sshd"
    script = f'{DEVICES}\nexec "$2" -D -f "$1/sshd.conf"'
    with syslog(site.place / "log.socket", log):
        process = subprocess.Popen(site.host.argv("sh", "-c", script, "sh", folder, program), stdin=subprocess.DEVNULL)
        try:
            wait_for(lambda: "Server listening" in log.read_text() or process.poll() is not None)
            yield
        finally:
            process.terminate()
            process.wait(30)


@contextmanager
def fail2ban(site: Site, action: str) -> Iterator[Path]:
    """Let fail2ban watch the log of sshd, and yield its own log."""
    place = site.place / "fail2ban"
    place.mkdir()
    for name in ("filter.d", "action.d"):
        shutil.copytree(Path("/etc/fail2ban", name), place / name)
    (place / "fail2ban.conf").write_text(SETTINGS.format(place=site.place))
    (place / "jail.conf").write_text(JAIL.format(place=site.place, action=action.format(place=site.place)))
    command = ["fail2ban-server", "-c", str(place), "-s", str(site.place / "socket"), "-p", str(site.place / "pid"), "-x", "-f", "start"]
    with open(place / "output", "wb") as output:
        process = subprocess.Popen(site.host.argv(*command), stdout=output, stderr=subprocess.STDOUT)
    try:
        wait_for(lambda: b"Jail 'sshd' started" in (place / "output").read_bytes() or process.poll() is not None)
        yield place / "output"
    finally:
        process.terminate()
        process.wait(30)


def test_who_fails_is_banned_a_revoked_key_opens_nothing_and_nothing_is_left(house: House, sites: list[Site], four: list[Host]) -> None:
    good, bad, unlucky = sites
    observer = four[3]
    house.hosts = {site.name: {**site.variables(), "selftest_parts": "key,jail"} for site in sites}
    house.hosts["beta"] = {"ansible_connection": "fading", "fading_inside": observer.namespace}
    # Of this host nobody sees whether its port is closed, after it has banned the observer.
    house.hosts["dying"] = {**house.hosts["beta"], "fading_killed_during": ["health_probe"]}
    house.hosts["delta"].update(selftest_observer="dying", selftest_parts="jail")
    house.variables.update(
        selftest_observer="beta", selftest_observer_address=observer.address, selftest_ssh_port=PORT, selftest_probe_seconds=1,
        selftest_key_user=USER, selftest_jail_wait_seconds=20,
    )  # fmt: skip

    killed = house.start("security_selftest", "--limit", "alpha", selftest_parts="key", selftest_lease_seconds=1)
    wait_for(lambda: good.keys.read_bytes() != KEYS or killed.process.poll() is not None)
    killed.kill()
    assert good.keys.read_bytes().endswith(b" upkeep-trial-key\n" + KEYS), killed.output()

    (bad.place / "hoard").touch()
    with fail2ban(good, BLOCKS), fail2ban(bad, NOTES), fail2ban(unlucky, BLOCKS) as log:
        rang = house.run("security_selftest", "--limit", "alpha,gamma,delta")
        found = {site.name: {row["check"]: row for row in rang.role(site.name, "selftest")["checks"]} for site in sites}
        assert {check: row["status"] for check, row in found["alpha"].items()} == {"selftest.key": "ok", "selftest.jail": "ok"}, rang.output
        assert "the port was closed for it, and is open again" in found["alpha"]["selftest.jail"]["summary"]

        assert {check: row["status"] for check, row in found["delta"].items()} == {"selftest.jail": "unknown"}, rang.output
        assert f"Ban {observer.address}" in log.read_text()
        assert [observer.address in site.host.run("nft", "list", "ruleset") for site in sites] == [False] * 3, "everybody is let in again"

        critical = {"selftest.key": "critical", "selftest.jail": "critical"}
        assert {check: row["status"] for check, row in found["gamma"].items()} == critical and rang.rc == 2, rang.output
        assert "still logs in" in found["gamma"]["selftest.key"]["summary"] and "still open" in found["gamma"]["selftest.jail"]["summary"]
        noted = (bad.place / "caught").read_text().splitlines()
        assert [f"+{observer.address}", f"-{observer.address}"] == noted[-2:], "it was banned, and let go"
    assert [site.is_as_it_was() for site in sites] == [True] * 3
    assert not [*house.state.glob("*/selftest-keys/*"), *house.state.glob("*/lease.json")]
