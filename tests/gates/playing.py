"""Runs playbooks in a home, state and working directory of their own, and tells what they left there."""

from __future__ import annotations

import hashlib
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.upkeep.runbook.tests.kept_modules import kept_modules
from checkout import CHECKOUT, tool

#: Ansible's own bookkeeping, not ours.
NOT_OURS = {".ansible"}


@dataclass(frozen=True)
class Place:
    """A directory in which a user sits who has nothing yet: no home, no state, no settings."""

    root: Path

    @classmethod
    def fresh(cls, root: Path) -> Place:
        for name in ("home", "here", "tmp"):
            (root / name).mkdir(parents=True)
        return cls(root)

    @property
    def environment(self) -> dict[str, str]:
        """Nothing of the caller's settings: only what a login shell of a new user has."""
        return {
            "HOME": str(self.root / "home"),
            "TMPDIR": str(self.root / "tmp"),
            "LANG": "C.UTF-8",
            "PATH": os.pathsep.join([str(Path(tool("python")).parent), "/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"]),
            # A checkout that is used as it stands writes no byte code into itself.
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def run(self, *command: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a program of the virtual environment there."""
        return subprocess.run(
            [tool(command[0]), *command[1:]],
            cwd=cwd or self.root / "here",
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    def run_in_checkout(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run ansible-playbook with the settings of the checkout, state and reports being in this place."""
        return self.run(
            "ansible-playbook", *arguments, cwd=CHECKOUT, ANSIBLE_CONFIG=str(CHECKOUT / "ansible.cfg"),
            **kept_modules(self.root.parent),
        )

    def tree(self) -> dict[str, str]:
        """Return everything in this place: names, kinds, permissions and contents."""
        found = {}
        for directory, names, files in os.walk(self.root):
            names[:] = [name for name in names if name not in NOT_OURS]
            for name in [*names, *files]:
                path = Path(directory, name)
                content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
                found[str(path.relative_to(self.root))] = f"{path.lstat().st_mode:o} {content}"
        return found
