"""A real server of fail2ban with a configuration of its own."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from ansible_collections.upkeep.runbook.plugins.module_utils.firewall import fail2ban as asking

SETTINGS = """[Definition]
loglevel = INFO
logtarget = {place}/output
syslogsocket = auto
socket = {place}/socket
pidfile = {place}/pid
dbfile = None
dbpurgeage = 1d
allowipv6 = auto
"""
#: What is there before: a jail of the package.
PACKAGE = "[DEFAULT]\nbackend = polling\nignoreip = 127.0.0.1/8 ::1 192.0.2.0/24\n[package]\nenabled = true\nfilter = door\nlogpath = {place}/door.log\n"
FILTER = "[Definition]\nfailregex = ^.* failed from <HOST>$\n"


class Fail2ban:
    """A server of fail2ban with a configuration of its own, which does nothing to anybody's network."""

    def __init__(self, place: Path) -> None:
        self.place, self.config = place, place / "config"
        for folder in ("filter.d", "jail.d"):
            (self.config / folder).mkdir(parents=True)
        (self.config / "fail2ban.conf").write_text(SETTINGS.format(place=place))
        (self.config / "jail.conf").write_text(PACKAGE.format(place=place))
        (self.config / "filter.d" / "door.conf").write_text(FILTER)
        (place / "door.log").write_text("")
        command = ["fail2ban-server", "-c", str(self.config), "-s", str(place / "socket"), "-p", str(place / "pid"), "-x", "-f", "start"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while "package" not in self.running():
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def running(self) -> list[str]:
        ask = asking.client(str(self.place / "socket"))
        assert ask is not None
        try:
            return sorted(asking.running_jails(ask))
        except (asking.NotRunning, asking.Silent):
            return []

    def jail(self, name: str, **changes: str) -> str:
        """Return a jail that works."""
        keys = {"enabled": "true", "filter": "door", "logpath": f"{self.place}/door.log", **changes}
        return f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items())

    def files(self) -> dict[str, str]:
        return {str(path.relative_to(self.config)): path.read_text() for path in self.config.rglob("*") if path.is_file()}

    def close(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait(30)
