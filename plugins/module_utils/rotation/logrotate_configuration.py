# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the system's own logrotate is told to rotate: the patterns of ``/etc/logrotate.conf`` and the files it includes."""

from __future__ import annotations

import fnmatch
import os
import posixpath
import shlex
import stat
from collections.abc import Sequence
from typing import Any, NamedTuple

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import OK, UNKNOWN, WARNING, check_result
from ansible_collections.upkeep.runbook.plugins.module_utils.text import decode, plain

CONFIGURATION = "/etc/logrotate.conf"
CHECK = "log.managed_twice"
MAX_FILES = 1000
MAX_FILE_BYTES = 1024 * 1024
_MAX_DEPTH = 3
_SCRIPTS = ("prerotate", "postrotate", "firstaction", "lastaction", "preremove")
#: What logrotate itself leaves out of a folder that is included.
_TABOO = (
    ".bak", ".cfsaved", ".disabled", ".dpkg-bak", ".dpkg-del", ".dpkg-dist", ".dpkg-new", ".dpkg-old", ".dpkg-tmp",
    ".rhn-cfg-tmp", ".rpmnew", ".rpmorig", ".rpmsave", ".swp", ".ucf-dist", ".ucf-new", ".ucf-old", ",v", "~",
)


class Managed(NamedTuple):
    """A pattern that logrotate rotates, and the file that says so."""

    pattern: str
    source: str


class Configuration(NamedTuple):
    """What logrotate rotates.

    :ivar problems: files that could not be read, as parts of a sentence.
    """

    managed: list[Managed]
    problems: list[str]


def read_configuration(path: str = CONFIGURATION) -> Configuration:
    """Return the patterns of a configuration and of all that it includes; none where there is none."""
    found = Configuration([], [])
    _read_file(path, found, set(), 0)
    return found


def _read_file(path: str, found: Configuration, seen: set[str], depth: int) -> None:
    if path in seen or len(seen) >= MAX_FILES:
        return
    seen.add(path)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            kind = os.fstat(descriptor).st_mode
            if stat.S_ISDIR(kind):
                names = sorted(os.listdir(descriptor))
                text = ""
            else:
                names = []
                text = decode(os.read(descriptor, MAX_FILE_BYTES)) if stat.S_ISREG(kind) else ""
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        return
    except OSError as exc:
        found.problems.append(f"{path} cannot be read ({exc.strerror})")
        return
    patterns, includes = parse(text)
    found.managed.extend(Managed(pattern, path) for pattern in patterns)
    if depth < _MAX_DEPTH:
        inside = [posixpath.join(path, name) for name in names if not name.startswith(".") and not name.endswith(_TABOO)]
        for include in [*includes, *inside]:
            _read_file(include, found, seen, depth + 1)


def parse(text: str) -> tuple[list[str], list[str]]:
    """Return the patterns of logs, and what else is included, of one file.

    What stands before a brace are patterns; a line outside of braces that is none is an option.
    """
    patterns: list[str] = []
    includes: list[str] = []
    inside = script = False
    waiting: list[str] = []
    for line in text.splitlines():
        line = line.strip()
        if script:
            script = line != "endscript"
            continue
        if not line or line.startswith("#"):
            continue
        if inside:
            first = line.split()[0]
            script = first in _SCRIPTS
            inside = not line.startswith("}")
            continue
        head, brace, rest = line.partition("{")
        words = _words(head)
        if words and words[0] == "include" and len(words) == 2 and not brace:
            includes.append(words[1])
        elif words and words[0] in _SCRIPTS and not brace:
            script = True
        elif brace or (words and all(word.startswith(("/", "~")) for word in words)):
            waiting += words
        if brace:
            patterns += [word for word in waiting if word.startswith("/")]
            waiting = []
            inside = "}" not in rest
    return patterns, includes


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text, comments=False)
    except ValueError:
        return text.split()


def matches(pattern: str, path: str) -> bool:
    """Tell whether a pattern of logrotate means a path; a wildcard does not reach over a slash."""
    ours, theirs = path.strip("/").split("/"), posixpath.normpath(pattern).strip("/").split("/")
    return len(ours) == len(theirs) and all(map(fnmatch.fnmatchcase, ours, theirs))


def check_managed_twice(paths: Sequence[str], configuration: Configuration) -> list[dict[str, Any]]:
    """Return a warning for each pattern of logrotate that means logs of ours, or that it means none.

    :param paths: the logs that are rotated here.
    """
    folders: dict[str, list[str]] = {}
    for path in paths:
        folders.setdefault(posixpath.dirname(path), []).append(path)
    checks = []
    for managed in configuration.managed:
        folder = posixpath.dirname(managed.pattern)
        ours = [path for place, inside in folders.items() if matches(folder, place) for path in inside]
        twice = [path for path in ours if matches(managed.pattern, path)]
        if twice:
            more = f" and {len(twice) - 1} more" if len(twice) > 1 else ""
            checks.append(check_result(
                CHECK, f"{managed.source}: {plain(managed.pattern, 150)}", WARNING,
                f"{plain(twice[0], 200)}{more} would be rotated twice: {managed.source} rotates {plain(managed.pattern, 100)} too.",
                value=len(twice), unit="count",
                hint=f"Take the log out of {managed.source}, or out of the logs that are rotated here.",
            ))
    if configuration.problems and not checks:
        return [check_result(
            CHECK, CONFIGURATION, UNKNOWN, f"Nobody can tell whether logs are rotated twice: {configuration.problems[0]}.",
            hint="Run the task with become: true.",
        )]
    if not checks and paths:
        what = f"None of {len(paths)} logs is" if len(paths) > 1 else f"{plain(paths[0], 200)} is not"
        checks.append(check_result(CHECK, CONFIGURATION, OK, f"{what} rotated by the system's logrotate too.", value=0, unit="count"))
    return checks
