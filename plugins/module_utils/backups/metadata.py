# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What was true of the host when a backup was made: versions, revisions of git, states of services."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.commands import CommandResult, run_command
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

#: The version in galaxy.yml, which is not on the host; a test compares them.
COLLECTION_VERSION = "0.1.0"
_OS_RELEASE = "/etc/os-release"
_TIMEOUT_SECONDS = 20.0
_REVISION = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
#: Programs of the repository must not run: neither hooks nor filters nor a monitor of its files.
_GIT = (
    "git", "--no-optional-locks", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "safe.directory=*",
)


class MetadataSurvey:
    """Asks while the backup is made; what cannot be had is said so and stops nothing.

    :param git: working trees.
    :param services: units of systemd.
    """

    def __init__(self, git: Sequence[str], services: Sequence[str]) -> None:
        self._pool = ThreadPoolExecutor(4, "metadata")
        self._node = self._pool.submit(_node_version)
        self._git = {path: self._pool.submit(_revision, path) for path in git}
        self._services = [(unit, self._pool.submit(_state, unit)) for unit in services]

    def answer(self) -> dict[str, Any]:
        """Return ``versions``, ``git`` and ``services``; waits for what is still asked."""
        versions: dict[str, str | None] = {"os": _system(), "kernel": platform.release(), "python": platform.python_version()}
        versions.update({"node": self._node.result(), "npm": _npm_version(), "collection": COLLECTION_VERSION})
        return {
            "versions": versions,
            "git": {path: future.result() for path, future in self._git.items()},
            "services": [{"unit": unit, "state": future.result()} for unit, future in self._services],
        }

    def close(self) -> None:
        """Let go of the threads."""
        self._pool.shutdown(cancel_futures=True)


def _system() -> str | None:
    try:
        with open(_OS_RELEASE, encoding="utf-8", errors="replace") as stream:
            return name_of_system(stream.read(65536))
    except OSError:
        return None


def name_of_system(release: str) -> str | None:
    """Return PRETTY_NAME of a file os-release, or None."""
    match = re.search(r"^PRETTY_NAME=[\"']?([^\"'\n]*)", release, re.MULTILINE)
    return plain(match.group(1), 100) if match else None


def _node_version() -> str | None:
    """Return the version of Node.js, or None where it is not installed."""
    if not shutil.which("node"):
        return None
    result = run_command(["node", "--version"], timeout_seconds=_TIMEOUT_SECONDS)
    return plain(result.stdout, 100).lstrip("v") or None if result.succeeded else None


def _npm_version() -> str | None:
    """Return the version of npm, or None. Its package says it; to start npm takes as long as to pack a few hundred files."""
    program = shutil.which("npm")
    if not program:
        return None
    package = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(program))), "package.json")
    try:
        with open(package, "rb") as stream:
            described = json.loads(stream.read(1024 * 1024))
    except (OSError, ValueError):
        return None
    version = described.get("version") if isinstance(described, dict) and described.get("name") == "npm" else None
    return plain(version, 100) if isinstance(version, str) else None


def _state(unit: str) -> str:
    """Return the state of a unit, or ``unknown``."""
    result = run_command(["systemctl", "is-active", "--", unit], timeout_seconds=_TIMEOUT_SECONDS)
    return plain(result.stdout, 50) or "unknown"


def _revision(path: str, run: Callable[..., CommandResult] = run_command) -> dict[str, Any]:
    """Return the revision of a working tree, and whether files that git knows differ from it."""
    try:
        owner = os.stat(path)
    except OSError as exc:
        return {"revision": None, "modified": None, "reason": exc.strerror or str(exc)}
    # What a repository configures could run programs: they get the rights of its owner and no more.
    prefix = as_user(owner.st_uid, owner.st_gid) if os.geteuid() == 0 and owner.st_uid != 0 else []
    head = run([*prefix, *_GIT, "-C", path, "rev-parse", "--verify", "HEAD"], timeout_seconds=_TIMEOUT_SECONDS)
    revision = head.stdout.strip()
    if not head.succeeded or not _REVISION.fullmatch(revision):
        return {"revision": None, "modified": None, "reason": plain(head.problem or head.stderr, 200) or "git gave no revision"}
    argv = [*prefix, *_GIT, "-C", path, "status", "--porcelain", "--untracked-files=no", "--ignore-submodules=all"]
    status = run(argv, timeout_seconds=_TIMEOUT_SECONDS)
    if not status.succeeded:
        return {"revision": revision, "modified": None, "reason": plain(status.problem or status.stderr, 200)}
    return {"revision": revision, "modified": bool(status.stdout.strip())}


def as_user(uid: int, gid: int) -> list[str]:
    """Return what runs a program with the rights of a user, by numbers, since there may be no name."""
    return ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", "--no-new-privs", "--"]
