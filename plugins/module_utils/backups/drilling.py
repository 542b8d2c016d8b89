# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Try a restore: unpack a backup into a scratch folder, look at what came out, load its dumps into scratch databases."""

from __future__ import annotations

import glob
import os
import pwd
import stat
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.archives.budget import Limits
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.drill_folder import NoFolder, drill_folder
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.drill_options import Drill
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import CRITICAL, OK, UNKNOWN, WARNING, worst
from ansible_collections.upkeep.runbook.plugins.module_utils.commands import run_command
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.options import POSTGRESQL_GLOBALS, DumpSpec
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.scratch import restore_scratch
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.figure_text import figure_text
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.archive_source import opened_archive
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.scratch import Scratch, restore_into
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.single_member import open_member
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

#: So much of the scratch file system stays free: a drill must not be what fills the disk of a platform.
_KEEP_FREE_PERCENT = 5
#: A file takes a block and an inode whatever its size.
_MEMBER_BYTES = 4096


@dataclass
class Drilled:
    """What a drill has shown.

    :ivar seconds: how long it took, from opening the archive to the last answer.
    :ivar problems: status and sentence of each thing that is wrong.
    :ivar databases: ``name``, ``tables`` and ``rows`` of each dump that was loaded.
    """

    path: str
    seconds: float = 0.0
    members: int = 0
    bytes: int = 0
    problems: list[tuple[str, str]] = field(default_factory=list)
    databases: list[dict[str, Any]] = field(default_factory=list)

    @property
    def status(self) -> str:
        return worst([OK, *(status for status, _text in self.problems)])


class _NotTried(UpkeepError):
    """Nobody can tell whether the backup restores."""


def drill_backup(path: str, drill: Drill, limits: Limits) -> Drilled:
    """Restore one backup into a scratch folder and look at it; whatever goes wrong is in the answer.

    :param limits: of reading the archive; its deadline is that of the drill.
    """
    done = Drilled(path)
    started = time.monotonic()
    try:
        with drill_folder(drill.directory) as folder:
            _refuse_full_disk(path, folder, limits)
            scratch = restore_into(path, folder, limits=limits, accept=drill.accept)
            done.members, done.bytes = scratch.members, scratch.bytes
            done.problems += [(CRITICAL, text) for text in _missing_files(folder, drill.files)]
            done.problems += [(CRITICAL, text) for text in _failed_command(folder, drill, limits.deadline)]
            if drill.databases:
                _try_dumps(path, folder, scratch, drill.dumps, limits, done)
    except (_NotTried, NoFolder) as error:
        done.problems.append((UNKNOWN, error.message))
    except UpkeepError as error:
        removed = not os.path.exists(path)
        done.problems.append((UNKNOWN, f"{path} was removed meanwhile") if removed else (CRITICAL, error.message))
    except OSError as error:
        done.problems.append((UNKNOWN, f"the scratch folder cannot be used: {error.strerror}"))
    done.seconds = round(time.monotonic() - started, 2)
    return done


def _refuse_full_disk(path: str, folder: str, limits: Limits) -> None:
    """Refuse a drill that would leave the disk nearly full. The exact figure of the members is looked at again later.

    :raises _NotTried: saying how much is needed and free.
    """
    with opened_archive(path, limits) as source:
        totals = (source.header or {}).get("totals")
    known = totals if isinstance(totals, Mapping) else {}
    size, members = (known.get(key) for key in ("bytes", "members"))
    space = os.statvfs(folder)
    free = space.f_bavail * space.f_frsize
    keep = space.f_blocks * space.f_frsize * _KEEP_FREE_PERCENT // 100
    # An archive of another tool does not say what it unpacks to; it is at least its own size.
    needed = size + members * _MEMBER_BYTES if isinstance(size, int) and isinstance(members, int) else os.path.getsize(path)
    if needed + keep > free:
        raise _NotTried(
            f"there is no room for a drill in {os.path.dirname(folder)}: {figure_text(needed, 'bytes')} are needed, {figure_text(free, 'bytes')}"
            f" are free, and {figure_text(keep, 'bytes')} of them stay free"
        )


def _missing_files(folder: str, patterns: Sequence[str]) -> list[str]:
    """Return what is wrong with the files that must be there; a link that leads out of the folder proves nothing."""
    problems = []
    base = os.path.realpath(folder)
    for pattern in patterns:
        found = [os.path.realpath(name) for name in glob.glob(glob.escape(base) + "/" + pattern.lstrip("/"))]
        inside = [name for name in found if name.startswith(base + "/")]
        if not inside:
            problems.append(f"{pattern} is not in the restored tree" if not found else f"{pattern} leads out of the restored tree")
        elif not any(_has_contents(name) for name in inside):
            problems.append(f"{pattern} is empty in the restored tree")
    return problems


def _has_contents(path: str) -> bool:
    status = os.stat(path)
    return bool(os.listdir(path)) if stat.S_ISDIR(status.st_mode) else status.st_size > 0


def _failed_command(folder: str, drill: Drill, deadline: float) -> list[str]:
    """Run the command in the restored tree and return what went wrong.

    :raises _NotTried: when it cannot be run as its user.
    """
    if not drill.command:
        return []
    argv = [*_become(folder, drill.run_as), *drill.command]
    shown = plain(" ".join(drill.command), 200)
    done = run_command(argv, timeout_seconds=max(1.0, deadline - time.monotonic()), directory=folder)
    if done.succeeded:
        return []
    if done.problem:
        raise _NotTried(f"{shown} cannot be run: {plain(done.problem, 300)}")
    if done.timed_out:
        return [f"{shown} did not end in time"]
    said = plain((done.stderr.strip() or done.stdout.strip())[-300:], 300)
    return [f"{shown} failed with status {done.returncode}" + (f": {said}" if said else "")]


def _become(folder: str, run_as: str) -> list[str]:
    """Return the beginning of a command that runs as a user, who alone may enter the folder besides root."""
    if not run_as:
        return []
    try:
        account = pwd.getpwnam(run_as)
    except KeyError:
        raise _NotTried(f"drill.run_as: there is no user {run_as} on this host") from None
    if account.pw_uid == os.geteuid():
        return []
    if os.geteuid() != 0:
        raise _NotTried(f"only root can run the command of a drill as {run_as}; run with become: true")
    os.chown(folder, account.pw_uid, -1)
    who = (f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--init-groups")
    return ["setpriv", *who, "--no-new-privs", "--reset-env", "--"]


def _try_dumps(
    path: str, folder: str, scratch: Scratch, specs: Sequence[DumpSpec], limits: Limits, done: Drilled
) -> None:
    """Load each dump of the backup that is described into a scratch database, and count what is in it."""
    listed = [dump for dump in (scratch.header or {}).get("dumps") or () if isinstance(dump, dict)]
    held = {str(dump.get("name")) for dump in listed}
    described = {spec.name for spec in specs}
    for dump in listed:
        if str(dump.get("name")) not in described and dump.get("type") != POSTGRESQL_GLOBALS:
            name = plain(str(dump.get("name")), 100)
            done.problems.append((WARNING, f"{name} is in the backup and was not tried, as drill.dumps does not describe it"))
    for spec in specs:
        # Roles belong to a whole server: they are not loaded beside the real ones.
        if spec.type == POSTGRESQL_GLOBALS:
            continue
        if spec.name not in held:
            done.problems.append((WARNING, f"{spec.name} ({spec.shown}) is not in the backup"))
            continue
        try:
            with open_member(path, spec.member, limits=limits) as (_member, chunks):
                with restore_scratch(spec, chunks, limits.deadline, directory=folder) as database:
                    counts = database.counts()
        except UpkeepError as error:
            done.problems.append((CRITICAL, f"{spec.name}: {error.message}"))
            continue
        done.databases.append({"name": spec.name, "tables": len(counts), "rows": sum(counts.values())})
