# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which files there are: patterns, folders with everything below them, and what is left out of them and why."""

from __future__ import annotations

import fnmatch
import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.evidence.mounts import avoided_type
from ansible_collections.upkeep.runbook.plugins.module_utils.evidence.paths import kind_of, named, shown, status_of
from ansible_collections.upkeep.runbook.plugins.module_utils.evidence.reading import problem_of
from ansible_collections.upkeep.runbook.plugins.module_utils.evidence.secret_files import is_secret

_WILD = re.compile(rb"[*?\[]")
#: What is left out of a listing one by one; the rest is counted.
MAX_LEFT_OUT = 2000


@dataclass
class Listing:
    """What is to be taken.

    :ivar files: each with its path, its status and whether its content is wanted.
    :ivar left_out: what is not, with ``kind`` and ``reason``; at most :data:`MAX_LEFT_OUT`.
    :ivar more_left_out: how many of these there are beyond.
    """

    mounts: dict[bytes, str]
    max_files: int
    max_file_bytes: int
    secrets: bool
    exclude: tuple[bytes, ...] = ()
    files: list[dict[str, Any]] = field(default_factory=list)
    left_out: list[dict[str, Any]] = field(default_factory=list)
    more_left_out: int = 0
    _met: set[bytes] = field(default_factory=set)

    def add(self, patterns: Iterable[str]) -> None:
        """Look for absolute paths, which may have wildcards. A folder means all that is in it."""
        for pattern in patterns:
            found = False
            for path in self._expanded(os.fsencode(pattern)):
                found = True
                self._add(os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path)))
            if not found:
                self._leave_out(os.fsencode(pattern), "absent", "is not there")

    def _add(self, start: bytes) -> None:
        waiting = [start]
        while waiting:
            path = waiting.pop()
            if path in self._met:
                continue
            self._met.add(path)
            kind = avoided_type(path, self.mounts)
            if kind:
                self._leave_out(path, "kind", f"is in a file system of the type {kind}")
                continue
            if any(fnmatch.fnmatchcase(path, pattern) for pattern in self.exclude):
                self._leave_out(path, "kind", "is excluded, or taken in another way")
                continue
            try:
                status = os.lstat(path)
                if stat.S_ISDIR(status.st_mode):
                    waiting += [os.path.join(path, name) for name in sorted(os.listdir(path), reverse=True)]
                    continue
                if stat.S_ISLNK(status.st_mode):
                    waiting += self._link(path, status)
                    continue
            except OSError as exc:
                problem = problem_of(exc)
                self._leave_out(path, problem.kind, problem.reason)
                continue
            self._entry(path, status)

    def _link(self, path: bytes, status: os.stat_result) -> list[bytes]:
        """Note a link; return the file that it leads to, which is evidence too. Folders are not followed."""
        self._leave_out(path, "kind", f"is a link to {shown(os.readlink(path))}", status)
        target = os.path.realpath(path)
        return [target] if not avoided_type(target, self.mounts) and os.path.isfile(target) else []

    def _entry(self, path: bytes, status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode):
            self._leave_out(path, "kind", f"is a {kind_of(status.st_mode)}", status)
        elif status.st_size > self.max_file_bytes:
            self._leave_out(path, "size", f"has {status.st_size} bytes, more than {self.max_file_bytes}", status)
        elif len(self.files) >= self.max_files:
            self._leave_out(path, "number", f"is one of more than {self.max_files} files", status)
        else:
            self.files.append({**named(path), "status": status_of(status), "content": self.secrets or not is_secret(path)})

    def _leave_out(self, path: bytes, kind: str, reason: str, status: os.stat_result | None = None) -> None:
        if len(self.left_out) >= MAX_LEFT_OUT:
            self.more_left_out += 1
            return
        known = {"status": status_of(status)} if status is not None else {}
        self.left_out.append({**named(path), "kind": kind, "reason": reason, **known})

    def _expanded(self, pattern: bytes) -> Iterator[bytes]:
        """Yield the paths that exist of a pattern; ``*`` matches hidden names too."""
        paths = [b"/"]
        for part in [part for part in pattern.split(b"/") if part]:
            following = []
            for path in paths:
                if not _WILD.search(part):
                    following.append(os.path.join(path, part))
                elif not avoided_type(path, self.mounts):
                    following += [os.path.join(path, name) for name in self._names(path) if fnmatch.fnmatchcase(name, part)]
            paths = following
        for path in paths:
            if avoided_type(path, self.mounts) or os.path.lexists(path):
                yield path

    def _names(self, folder: bytes) -> list[bytes]:
        try:
            return sorted(os.listdir(folder))
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as exc:
            problem = problem_of(exc)
            self._leave_out(folder, problem.kind, problem.reason)
            return []
