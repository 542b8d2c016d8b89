# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A project of npm on this host: what its manifest and lockfile say, read as data that somebody else wrote."""

from __future__ import annotations

import errno
import json
import os
import re
import stat
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

MANIFEST = "package.json"
#: npm reads the first of these that is there.
NPM_LOCKFILES = ("npm-shrinkwrap.json", "package-lock.json")
OTHER_LOCKFILES = {"yarn": ("yarn.lock",), "pnpm": ("pnpm-lock.yaml",), "bun": ("bun.lock", "bun.lockb")}
LOCKFILE_VERSIONS = (1, 2, 3)
MAX_MANIFEST_BYTES = 4 * 1024 * 1024
MAX_LOCKFILE_BYTES = 16 * 1024 * 1024
MAX_DEPTH = 100
_VERSION = re.compile(r"v?\d+\.\d+\.\d+")

_BECOME_HINT = "Run the task with become: true, so that it may read the files of other users."
_LOCK_HINT = "Make it with: npm install --package-lock-only (in the project's source), and deploy it with the project."


class Unaudited(Exception):
    """A project cannot be audited; the message is a part of a sentence that says why.

    :param hint: how to mend it.
    :param manager: whose project it is, when that is known.
    :param again: another attempt may succeed.
    """

    def __init__(self, message: str, *, hint: str = "", manager: str | None = None, again: bool = False) -> None:
        super().__init__(message)
        self.hint = hint
        self.manager = manager
        self.again = again


@dataclass(frozen=True)
class Project:
    """What of a project npm gets to see.

    :ivar files: name and content of the manifest and the lockfile.
    :ivar dependencies: how many packages the lockfile names, without those that are omitted and those of the project.
    :ivar unlocked: packages that the manifest wants and the lockfile lacks, or has without a version: npm says nothing about them.
    """

    path: str
    lockfile: str
    lockfile_version: int
    dependencies: int
    unlocked: tuple[str, ...]
    files: Mapping[str, bytes]


def read_project(path: str, omit: Collection[str]) -> Project:
    """Read a project.

    :param path: its folder.
    :param omit: kinds of dependencies that are not looked at: ``dev``, ``optional``, ``peer``.
    :raises Unaudited: when npm could not audit it, with the reason.
    """
    try:
        present = set(os.listdir(path))
    except OSError as exc:
        raise _unreadable(exc, path) from exc
    if MANIFEST not in present:
        raise Unaudited(f"it has no {MANIFEST}", hint="Name the folder in which package.json and the lockfile are.")
    content = _read(path, MANIFEST, MAX_MANIFEST_BYTES)
    manifest = _object(content, MANIFEST)
    manager, lockfile = manager_of(manifest, present)
    if manager != "npm":
        raise Unaudited(
            f"it is a project of {manager} ({lockfile}), and only lockfiles of npm can be audited",
            hint=f"Audit it with {manager} itself until that is supported.",
            manager=manager,
        )
    locked = _read(path, lockfile, MAX_LOCKFILE_BYTES)
    lock = _object(locked, lockfile)
    version = lockfile_version(lock, lockfile)
    packages = dict(locked_packages(lock, version))
    return Project(
        path, lockfile, version,
        sum(1 for entry in packages.values() if not omitted(entry, omit)),
        tuple(sorted({*unlocked(manifest, packages, omit), *without_version(packages, omit, version)})),
        {MANIFEST: content, lockfile: locked},
    )


def manager_of(manifest: Mapping[str, Any], present: Collection[str]) -> tuple[str, str]:
    """Return who manages the dependencies of a project, and what says so: a lockfile, or the key of the manifest.

    :param present: names of the files in its folder.
    :raises Unaudited: when it has no lockfile.
    """
    declared = str(manifest.get("packageManager", "")).partition("@")[0]
    others = {manager: name for manager, names in OTHER_LOCKFILES.items() for name in names if name in present}
    if declared in OTHER_LOCKFILES:
        return declared, others.get(declared, "packageManager in package.json")
    for name in NPM_LOCKFILES:
        if name in present:
            return "npm", name
    if others:
        return next(iter(others.items()))
    raise Unaudited("it has no lockfile, so nobody knows which versions it uses", hint=_LOCK_HINT, manager="npm")


def lockfile_version(lock: Mapping[str, Any], name: str) -> int:
    """Return the version of a lockfile: 1, 2 or 3.

    :raises Unaudited: when it is another one, or its packages are not where that version has them.
    """
    version = lock.get("lockfileVersion")
    # True is an int, too, and equals 1.
    if not isinstance(version, int) or isinstance(version, bool) or version not in LOCKFILE_VERSIONS:
        raise Unaudited(
            f"{name} has lockfileVersion {plain(json.dumps(version), 40)}, and 1, 2 and 3 are known",
            hint="See whether the file is a lockfile of npm. A new version needs a newer upkeep.runbook.",
            manager="npm",
        )
    key = "dependencies" if version == 1 else "packages"
    if not isinstance(lock.get(key, {} if version == 1 else None), dict):
        raise Unaudited(f"{name} has no {key}, which version {version} has", hint=_LOCK_HINT, manager="npm")
    return int(version)


def locked_packages(lock: Mapping[str, Any], version: int) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield place and entry of each package of a lockfile that comes from elsewhere.

    A place is ``node_modules/a/node_modules/b``. Workspaces and linked folders are the project's own.
    """
    if version == 1:
        yield from _nested(lock.get("dependencies", {}))
        return
    for place, entry in lock["packages"].items():
        if "node_modules/" in place and isinstance(entry, dict):
            yield place, entry


def _nested(dependencies: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Walk through a lockfile of version 1 without recursion: its depth is chosen by whoever wrote it."""
    waiting = [("", dependencies)]
    while waiting:
        above, level = waiting.pop()
        for name, entry in level.items() if isinstance(level, dict) else ():
            if isinstance(entry, dict):
                place = f"{above}node_modules/{name}"
                yield place, entry
                if place.count("node_modules/") < MAX_DEPTH:
                    waiting.append((f"{place}/", entry.get("dependencies")))


def omitted(entry: Mapping[str, Any], omit: Collection[str]) -> bool:
    """Tell whether a package of the lockfile is not looked at: it is left out, or a folder of the project itself."""
    if entry.get("link") or str(entry.get("version", "")).startswith("file:"):
        return True
    if entry.get("devOptional"):
        return {"dev", "optional"} <= set(omit)
    return any(entry.get(kind) for kind in omit)


def unlocked(
    manifest: Mapping[str, Any], packages: Mapping[str, Mapping[str, Any]], omit: Collection[str]
) -> tuple[str, ...]:
    """Return the packages that the manifest wants and the lockfile does not have.

    Optional ones are not counted: a lockfile may lack those that another system needs.
    """
    wanted = _names(manifest, "dependencies") | (set() if "dev" in omit else _names(manifest, "devDependencies"))
    wanted -= _names(manifest, "optionalDependencies")
    return tuple(sorted(plain(name, 100) for name in wanted if f"node_modules/{name}" not in packages))


def without_version(packages: Mapping[str, Mapping[str, Any]], omit: Collection[str], lockfile: int) -> tuple[str, ...]:
    """Return the packages whose version a lockfile does not tell: npm asks the registry about versions, and passes these over.

    :param lockfile: its version. The first one has a URL there for what comes from no registry.
    """
    return tuple(
        plain(place.rpartition("node_modules/")[2], 100)
        for place, entry in packages.items()
        if not entry.get("link")
        and not any(entry.get(kind) for kind in omit)
        and not _VERSION.match(str(entry.get("version", "")))
        and not (lockfile == 1 and ":" in str(entry.get("version", "")))
    )


def _names(manifest: Mapping[str, Any], key: str) -> set[str]:
    found = manifest.get(key)
    return set(found) if isinstance(found, dict) else set()


def _read(folder: str, name: str, limit: int) -> bytes:
    """Read a file that anybody may have put there: a pipe must not hold us up, and a huge one not fill the memory."""
    path = os.path.join(folder, name)
    try:
        # To open a device can act (a watchdog, a tape), and a link may lead to one: look first.
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise Unaudited(f"{name} is no file", hint=f"Look at it: ls -l {path}")
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise Unaudited(f"{name} is no file", hint=f"Look at it: ls -l {path}")
            content = file.read(limit + 1)
    except OSError as exc:
        raise _unreadable(exc, name) from exc
    if len(content) > limit:
        raise Unaudited(f"{name} has more than {limit // 1024**2} MiB", hint=f"Look at it: ls -l {path}")
    return content


def _object(content: bytes, name: str) -> dict[str, Any]:
    """Parse a JSON object; the content is not repeated in the reason, since a link may lead to any file of the host."""
    hint = "Deploy the project again, or put back the file from its source."
    try:
        found = json.loads(content)
    except ValueError as exc:
        where = f" (line {exc.lineno}, column {exc.colno})" if isinstance(exc, json.JSONDecodeError) else ""
        raise Unaudited(f"{name} is no JSON{where}" if content.strip() else f"{name} is empty", hint=hint) from exc
    except RecursionError as exc:
        raise Unaudited(f"{name} is nested too deeply", hint=hint) from exc
    if not isinstance(found, dict):
        raise Unaudited(f"{name} holds no JSON object", hint=hint)
    return found


def _unreadable(exc: OSError, what: str) -> Unaudited:
    if exc.errno == errno.ENOENT:
        return Unaudited(f"{what} does not exist", hint="Deploy the project, or correct node_projects in the description.")
    if exc.errno in (errno.EACCES, errno.EPERM):
        return Unaudited(f"{what} may not be read", hint=_BECOME_HINT)
    return Unaudited(f"{what} cannot be read ({exc.strerror})", hint="Name the folder of a project in node_projects.")
