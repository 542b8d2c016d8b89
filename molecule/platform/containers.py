"""The containers of the test platform, seen from the tests: commands as root, files, faults, and mending."""

from __future__ import annotations

import json
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

PATIENCE_SECONDS = 60

HOME = "/home/upkeep"
TEMPORARY = ("/tmp", "/var/tmp", "/root/.ansible/tmp", HOME, f"{HOME}/.ansible", f"{HOME}/.ansible/tmp")
# The platform itself goes on writing while it is looked at, and every login is logged.
WRITTEN_BY_OTHERS = ("/opt/neurosensefx/logs", "/var/log", "/run", "/proc", "/sys", "/dev", "/var/lib/postgresql", "/var/lib/nginx", "/var/backups")


@dataclass(frozen=True)
class Container:
    """A test host.

    :ivar name: the container's name, which is its address in the inventory.
    """

    name: str

    def sh(self, script: str) -> str:
        """Run a shell script as root in the container and return its standard output."""
        return podman("exec", self.name, "sh", "-c", script)

    @contextmanager
    def faults(self, **ordered: object) -> Iterator[None]:
        """Order the faults of tick-backend's faults.js for a while."""
        self.sh(f"printf %s {shlex.quote(json.dumps(ordered))} > /etc/neurosensefx/faults.json")
        try:
            yield
        finally:
            self.sh("rm /etc/neurosensefx/faults.json")

    @contextmanager
    def stopped(self, unit: str) -> Iterator[None]:
        """Stop a unit for a while."""
        self.sh(f"systemctl stop {unit}")
        try:
            yield
        finally:
            self.sh(f"systemctl start {unit}")

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let the host answer nothing for a while."""
        podman("pause", self.name)
        try:
            yield
        finally:
            podman("unpause", self.name)

    @contextmanager
    def killed_later(self) -> Iterator[Callable[[], object]]:
        """Give the function that switches the host off; at the end the host is started again."""
        try:
            yield lambda: run_podman("kill", self.name)
        finally:
            podman("start", self.name)
            self.wait_for("systemctl is-system-running | grep --quiet --line-regexp running")

    def changed_since(self, marker: str) -> list[str]:
        """Everything on a host whose content, name or rights changed after the marker file.

        The folders of temporary files are left out, and what is in them is not: Ansible unpacks its modules there and npm gets an
        empty home; both are removed again.
        """
        temporary = " ".join(f"-not -path {path}" for path in TEMPORARY)
        pruned = " -o ".join(f"-path {path}" for path in WRITTEN_BY_OTHERS)
        return self.sh(f"find / \\( {pruned} \\) -prune -o -newercm {marker} {temporary} -print").split()

    def kill_module(self) -> None:
        """Wait until Ansible runs a module on the host, and kill it."""
        # Over a pipe a module is a Python without arguments; programs of the platform have some.
        self.wait_for("pkill --signal KILL --full '^/usr/bin/python3$'")

    def wait_for(self, script: str) -> None:
        """Wait until a shell script succeeds in the container, at most a minute."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while run_podman("exec", self.name, "sh", "-c", script).returncode != 0:
            if time.monotonic() > deadline:
                raise AssertionError(f"{self.name}: waited {PATIENCE_SECONDS} s in vain for: {script}")
            time.sleep(0.2)

    def wait_for_services(self) -> None:
        """Wait until backend and frontend answer, which they do a moment after systemd calls them started."""
        for url in ("http://127.0.0.1:8081/health", "http://127.0.0.1:4173/"):
            self.wait_for(f"python3 -c 'import urllib.request as r; r.urlopen(\"{url}\", timeout=5)' 2>/dev/null")


def run_podman(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run podman, whatever its exit status will be."""
    return subprocess.run(["podman", *arguments], capture_output=True, text=True, timeout=120, check=False)


def podman(*arguments: str) -> str:
    """Run podman and return its standard output; a failure is an error that shows podman's own words."""
    done = run_podman(*arguments)
    if done.returncode != 0:
        raise AssertionError(f"podman {shlex.join(arguments)} failed ({done.returncode}): {done.stderr.strip()}")
    return done.stdout
