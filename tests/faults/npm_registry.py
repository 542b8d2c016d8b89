"""The registry of the test platform as a process of its own, and projects whose lockfiles name its packages."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.tests.faults.house import CHECKOUT

SCRIPT = CHECKOUT / "molecule/platform/tree/opt/registry-standin/registry.py"

#: `deep` is vulnerable and only `middle` uses it; `flat` is vulnerable itself; `safe` is not.
CONTENT: dict[str, Any] = {
    "advisories": [
        {
            "package": "deep", "id": 1001, "ghsa": "GHSA-aaaa-bbbb-0001", "severity": "critical",
            "title": "Anybody may come in", "vulnerable_versions": "<2.0.0", "patched_versions": ">=2.0.0",
        },
        {
            "package": "flat", "id": 1002, "ghsa": "GHSA-aaaa-bbbb-0002", "severity": "high",
            "title": "It may be stopped", "vulnerable_versions": ">=1.0.0 <1.2.0", "patched_versions": ">=1.2.0",
        },
    ],
    "packages": {
        "deep": {"1.5.0": {}, "2.0.0": {}},
        "middle": {"1.0.0": {"dependencies": {"deep": "^1.0.0"}}, "2.0.0": {"dependencies": {"deep": "^2.0.0"}}},
        "flat": {"1.1.0": {}, "1.2.0": {}},
        "safe": {"1.0.0": {}},
    },
}
WANTED = {"middle": "1.0.0", "flat": "^1.0.0"}
FOUND = [("GHSA-aaaa-bbbb-0001", "deep", False), ("GHSA-aaaa-bbbb-0002", "flat", True)]


class Registry:
    """A running registry."""

    def __init__(self, folder: Path, process: subprocess.Popen[str]) -> None:
        self._folder = folder
        assert process.stdout
        self.url = process.stdout.readline().strip()
        self._log = process.stdout
        self._process = process

    def fault(self, order: str) -> None:
        """Order a fault, as the script explains them; '' ends it."""
        (self._folder / "fault").write_text(order, encoding="ascii")

    def publish(self, content: dict[str, Any]) -> None:
        """Replace what it knows."""
        (self._folder / "advisories.json").write_text(json.dumps(content), encoding="utf-8")

    def end(self) -> list[str]:
        """End it and return what it was asked."""
        self._process.terminate()
        self._process.wait(10)
        return self._log.read().splitlines()


@contextmanager
def running_registry(folder: Path) -> Iterator[Registry]:
    """Run the registry on a free port."""
    folder.mkdir(parents=True)
    files = ["--advisories", str(folder / "advisories.json"), "--fault", str(folder / "fault")]
    process = subprocess.Popen([sys.executable, str(SCRIPT), "--port", "0", *files], stdout=subprocess.PIPE, text=True)
    try:
        registry = Registry(folder, process)
        registry.publish(CONTENT)
        yield registry
    finally:
        process.kill()
        process.wait(10)


def make_project(folder: Path, version: int = 3, lockfile: str = "package-lock.json", **manifest: Any) -> Path:
    """Write a project that wants :data:`WANTED`, with a lockfile of the given version."""
    folder.mkdir(parents=True)
    content = {"name": "shop", "version": "1.0.0", "dependencies": WANTED, **manifest}
    (folder / "package.json").write_text(json.dumps(content), encoding="utf-8")
    lock: dict[str, Any] = {"name": "shop", "version": "1.0.0", "lockfileVersion": version, "requires": True}
    if version > 1:
        lock["packages"] = {
            "": {"name": "shop", "version": "1.0.0", "dependencies": WANTED},
            "node_modules/middle": {"version": "1.0.0", "dependencies": {"deep": "^1.0.0"}},
            "node_modules/middle/node_modules/deep": {"version": "1.5.0"},
            "node_modules/flat": {"version": "1.1.0"},
        }
    if version < 3:
        lock["dependencies"] = {
            "middle": {"version": "1.0.0", "requires": {"deep": "^1.0.0"}, "dependencies": {"deep": {"version": "1.5.0"}}},
            "flat": {"version": "1.1.0"},
        }
    (folder / lockfile).write_text(json.dumps(lock), encoding="utf-8")
    return folder
