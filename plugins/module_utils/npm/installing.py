# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether ``node_modules`` is what the lockfile says, and ``npm ci`` where it is not."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import OK, UNKNOWN, check_result, worst_of
from ansible_collections.upkeep.runbook.plugins.module_utils.commands import run_command
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.npm.client import find_npm, private_folder
from ansible_collections.upkeep.runbook.plugins.module_utils.npm.projects import (
    MAX_LOCKFILE_BYTES,
    Project,
    Unaudited,
    locked_packages,
    omitted,
    read_project,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

CHECK = "dependency.installed"
FOLDER = "node_modules"
#: Where npm 7 and later notes what it has installed.
_INSTALLED = os.path.join(FOLDER, ".package-lock.json")
_LATER_VERSIONS = (2, 3)
#: Debian has runuser in a folder for administrators.
_PROGRAMS = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
#: On a disk: packages may be larger than the memory.
_SCRATCH = "/var/tmp"


def difference(locked: Mapping[str, Any], installed: Mapping[str, Any], omit: Collection[str]) -> str:
    """Return how the installed packages differ from those of the lockfile, in words, or an empty text.

    What a lockfile has for other systems (``optional``, ``peer``) may be missing, and so what is omitted.

    :param locked: entries by place (``node_modules/a``); and so ``installed``, as npm has noted them.
    """
    left_out = {"optional", "peer", *omit}
    wanted = {place: entry for place, entry in locked.items() if not omitted(entry, ())}
    missing = [place for place, entry in wanted.items() if place not in installed and not _may_miss(entry, left_out)]
    other = [
        place for place, entry in wanted.items()
        # A lockfile need not have the hash; npm notes that of what it got.
        if place in installed and any(entry[key] != installed[place].get(key) for key in ("version", "integrity") if key in entry)
    ]
    extra = [place for place, entry in installed.items() if place not in locked and not omitted(entry, ())]
    for places, words in ((missing, "missing"), (other, "of another version"), (extra, "not in the lockfile")):
        if places:
            name = plain(places[0].rpartition("node_modules/")[2], 100)
            return f"{len(places)} package{'s' if len(places) > 1 else ''} {words}, {name} first"
    return ""


def _may_miss(entry: Mapping[str, Any], left_out: Collection[str]) -> bool:
    if entry.get("devOptional"):
        return True
    return any(entry.get(kind) for kind in left_out)


def reason_to_install(project: Project, omit: Collection[str], *, just_installed: bool = False) -> str:
    """Return why the packages of a project must be installed, or an empty text.

    :param just_installed: what cannot be compared is taken as npm has left it.
    :raises Unaudited: when what npm has noted cannot be read.
    """
    lock = json.loads(project.files[project.lockfile])
    locked = dict(locked_packages(lock, project.lockfile_version))
    if not any(not _may_miss(entry, {"optional", "peer", *omit}) for entry in locked.values() if not omitted(entry, ())):
        return ""
    if not os.path.isdir(os.path.join(project.path, FOLDER)):
        return f"there is no {FOLDER}"
    if project.lockfile_version not in _LATER_VERSIONS:
        return "" if just_installed else "its lockfile is of version 1, which cannot be compared with what is installed"
    try:
        with open(os.path.join(project.path, _INSTALLED), "rb") as stream:
            noted = json.loads(stream.read(MAX_LOCKFILE_BYTES))
        packages = dict(locked_packages(noted, 3))
    except FileNotFoundError:
        return "npm has not noted what is installed"
    except (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError):
        return "what npm has noted about the installed packages cannot be read"
    gone = [place for place in packages if not os.path.isdir(os.path.join(project.path, place))]
    return f"{len(gone)} installed packages are gone" if gone else difference(locked, packages, omit)


def install_packages(options: Mapping[str, Any], *, check_mode: bool) -> dict[str, Any]:
    """Install the packages of each project where they are not what the lockfile says; return what the module returns.

    :param options: the options of the module ``npm_packages``.
    :raises UpkeepError: when npm fails; ``node_modules`` of that project may then be incomplete.
    """
    deadline = time.monotonic() + options["timeout_seconds"]
    rows, checks = [], []
    for path in options["projects"]:
        try:
            reason = reason_to_install(read_project(path, ()), options["omit"])
        except Unaudited as exc:
            rows.append({"path": plain(path), "installed": False, "reason": str(exc)})
            text = f"{path}: nobody can tell whether its packages are installed: {exc}."
            checks.append(check_result(CHECK, path, UNKNOWN, text, hint=exc.hint))
            continue
        begun = time.monotonic()
        if reason and not check_mode:
            _run_npm(path, options, deadline)
            left = reason_to_install(read_project(path, ()), options["omit"], just_installed=True)
            if left:
                raise UpkeepError(f"npm ci in {path} ended well, and still {left}; look at it there")
        rows.append({"path": plain(path), "installed": bool(reason), "reason": reason, "seconds": round(time.monotonic() - begun, 1)})
        verb = "would be" if check_mode else "were"
        text = f"The packages {verb} installed, since {reason}" if reason else "The installed packages are those of the lockfile"
        checks.append(check_result(CHECK, path, OK, f"{text}."))
    changed = any(row["installed"] for row in rows)
    return {"changed": changed, "projects": rows, "checks": checks, "status": worst_of(checks) if checks else OK}


def install_command(npm: str, cache: str, user: str, omit: Sequence[str], *, own_uid: int, uid: int) -> list[str]:
    """Return the command line; scripts of packages do not run, whatever the settings of the user say."""
    command = [
        npm, "ci", f"--cache={cache}", "--ignore-scripts=true", "--audit=false", "--fund=false", "--update-notifier=false",
        "--progress=false", "--color=false", "--loglevel=error", "--global=false", "--dry-run=false", *(f"--omit={kind}" for kind in omit),
    ]
    return command if uid == own_uid else ["runuser", "-u", user, "--", *command]


def _run_npm(path: str, options: Mapping[str, Any], deadline: float) -> None:
    user = options["user"] or pwd.getpwuid(os.geteuid()).pw_name
    try:
        account = pwd.getpwnam(user)
        npm = find_npm(options["executable"])
    except KeyError:
        raise UpkeepError(f"this host has no user {plain(user, 100)}, whom the packages of {path} belong to") from None
    except Unaudited as exc:
        raise UpkeepError(f"{exc}, and {path} needs its packages. {exc.hint}") from exc
    environment = {
        "HOME": account.pw_dir, "USER": user, "LOGNAME": user,
        "PATH": f"{os.path.dirname(npm)}:{os.path.dirname(shutil.which('node') or npm)}:{_PROGRAMS}",
    }
    seconds = max(1.0, deadline - time.monotonic())
    # The home of a service's user is often the application itself: a cache there would be in its next backup.
    with private_folder(_SCRATCH) as cache:
        os.chown(cache, account.pw_uid, account.pw_gid)
        argv = install_command(npm, cache, user, options["omit"], own_uid=os.geteuid(), uid=account.pw_uid)
        answer = run_command(argv, timeout_seconds=seconds, environment=environment, directory=path)
    if answer.timed_out:
        late = f"npm ci in {path} did not end within {seconds:.0f} seconds"
        raise UpkeepError(f"{late}; see whether this host reaches its registry (npm ping)")
    if not answer.succeeded:
        said = plain(answer.problem or answer.stderr or answer.stdout, 500)
        raise UpkeepError(f"npm ci in {path} failed: {said}")
