# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The second half of a rotation: packing archives that nobody writes to any more, and removing those that go."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Optional

from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.folders import Folder, Refused
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.names import SUFFIXES, Archive
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.packing import PackingProblem, pack
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.planning import LogPlan
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.writers import Identity, identity_of

#: So many archives are packed before the folder is flushed to disk once and their raw files go.
BATCH = 64
#: Threads that pack; two of them leave a service the rest of a machine, and a third waits for the disk meanwhile.
THREADS = 3

Job = tuple[LogPlan, Archive, Identity]
Packed = tuple[Job, Optional[tuple[str, int]], str]


def pack_archives(
    plans: Sequence[LogPlan],
    held: Mapping[Identity, set[int]],
    *,
    in_folder: Callable[[Sequence[LogPlan]], AbstractContextManager[Folder]],
    unseen: int = 0,
) -> None:
    """Pack every raw archive that nobody writes to.

    :param held: archives that somebody still writes to.
    :param unseen: processes that could not be looked at: then nothing is packed, since one of them may be a writer.
    """
    by_folder: dict[str, list[Job]] = {}
    for plan in plans:
        if plan.group.compress != "none" and not plan.refused and not unseen:
            jobs = [(plan, archive, identity) for archive, identity in plan.raw if identity not in held]
            by_folder.setdefault(plan.folder, []).extend(jobs)
    if not any(by_folder.values()):
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(THREADS) as pool:
        for jobs in by_folder.values():
            for start in range(0, len(jobs), BATCH):
                batch = jobs[start : start + BATCH]
                try:
                    with in_folder([plan for plan, _archive, _identity in batch]) as folder:
                        _finish(list(pool.map(lambda job: _pack(job, folder), batch)), folder)
                except (Refused, OSError) as exc:
                    reason = str(exc) if isinstance(exc, Refused) else f"its folder cannot be worked in ({exc.strerror})"
                    for plan, _archive, _identity in batch:
                        plan.failures.append(reason)


def _pack(job: Job, folder: Folder) -> Packed:
    plan, archive, _identity = job
    try:
        return job, pack(folder.descriptor, archive.name, plan.group.compress), ""
    except PackingProblem as exc:
        return job, None, str(exc)


def _finish(results: Sequence[Packed], folder: Folder) -> None:
    """Give the packed copies their names, make these survive a power cut, and only then remove the raw files."""
    at = folder.descriptor
    renamed = []
    for job, packed, problem in results:
        plan, archive, identity = job
        if packed is None:
            plan.failures.append(f"{archive.name} could not be packed: {problem}; it stays as it is")
            continue
        draft, size = packed
        final = archive._replace(packed=SUFFIXES[plan.group.compress])
        now = os.stat(archive.name, dir_fd=at, follow_symlinks=False)
        if identity_of(now) != identity or now.st_size != size:
            os.unlink(draft, dir_fd=at)
            plan.notes.append(f"{archive.name} was written to while it was packed; it is packed by the next run")
            continue
        if not _may_take(final.name, at):
            os.unlink(draft, dir_fd=at)
            plan.notes.append(f"{final.name} exists already and is another file than {archive.name}; both stay")
            continue
        os.rename(draft, final.name, src_dir_fd=at, dst_dir_fd=at)
        renamed.append((plan, archive, final, size))
    folder.sync()
    for plan, archive, final, size in renamed:
        os.unlink(archive.name, dir_fd=at)
        packed_bytes = os.stat(final.name, dir_fd=at, follow_symlinks=False).st_size
        plan.packed.append((final, size, packed_bytes))
        plan.raw = [item for item in plan.raw if item[0] != archive]
        plan.finished = [item for item in plan.finished if item[0] != archive] + [(final, packed_bytes)]


def _may_take(name: str, folder: int) -> bool:
    """Tell whether a packed archive may get its name.

    A run that was killed between this rename and the removal of the raw file leaves both. The raw file was whole then and
    still is, so the copy made of it now may take the place of that one, unless something else than we has that name.
    """
    try:
        return stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return True


def remove_archives(plan: LogPlan, removals: Sequence[tuple[Archive, int, str]], folder: Folder) -> None:
    """Remove archives, but none that somebody writes to."""
    held = {archive for archive, _identity in plan.raw} if plan.late_writers else set()
    for archive, size, reason in removals:
        if archive in held:
            continue
        os.unlink(archive.name, dir_fd=folder.descriptor)
        plan.removed.append((archive, size, reason))
        plan.finished = [item for item in plan.finished if item[0] != archive]
        plan.raw = [item for item in plan.raw if item[0] != archive]
