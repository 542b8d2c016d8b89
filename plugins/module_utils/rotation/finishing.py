# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The second half of a rotation: packing archives that nobody writes to any more, and removing those that go."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Optional

from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.folders import Folder, Refused
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.leases import (
    WRITTEN,
    ask_kernel,
    ignoring_broken_leases,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.names import SUFFIXES, Archive
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.packing import (
    PIECE_BYTES,
    PackingProblem,
    make_durable,
    pack,
    remove,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.planning import LogPlan
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.workplace import folder_of
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.writers import Identity, identity_of

#: So many archives are packed before the folder is flushed to disk once and their raw files go.
BATCH = 256
#: Threads that pack: the services on this host need processors too.
THREADS = 2
#: A log that is larger is packed in pieces, by all threads together.
LARGE_BYTES = 4 * PIECE_BYTES

Job = tuple[LogPlan, Archive, Identity]
Packed = tuple[Job, Optional[tuple[str, int]], str]


def pack_archives(plans: Sequence[LogPlan]) -> None:
    """Pack every raw archive that nobody writes to."""
    by_folder: dict[str, list[Job]] = {}
    for plan in plans:
        if plan.group.compress != "none" and not plan.refused:
            ours = plan.held | plan.unsure
            jobs = [(plan, archive, identity) for archive, identity in plan.raw if identity not in ours]
            by_folder.setdefault(plan.folder, []).extend(jobs)
    if not any(by_folder.values()):
        return
    with ThreadPoolExecutor(THREADS) as pool, ignoring_broken_leases():
        for jobs in by_folder.values():
            for start in range(0, len(jobs), BATCH):
                batch = jobs[start : start + BATCH]
                try:
                    with folder_of([plan for plan, _archive, _identity in batch]) as folder:
                        _finish(_pack_batch(batch, folder, pool), folder)
                except (Refused, OSError) as exc:
                    reason = str(exc) if isinstance(exc, Refused) else f"its folder cannot be worked in ({exc.strerror})"
                    for plan, _archive, _identity in batch:
                        plan.failures.append(reason)


def _pack_batch(jobs: Sequence[Job], folder: Folder, pool: Executor) -> list[Packed]:
    """Pack small logs beside each other, and large ones one after the other."""
    large = [job for job in jobs if _size(job, folder) > LARGE_BYTES]
    small = [job for job in jobs if job not in large] if large else jobs
    packed = list(pool.map(lambda job: _pack(job, folder, None), small))
    return packed + [_pack(job, folder, pool) for job in large]


def _size(job: Job, folder: Folder) -> int:
    return os.stat(job[1].name, dir_fd=folder.descriptor, follow_symlinks=False).st_size


def _pack(job: Job, folder: Folder, pool: Executor | None) -> Packed:
    plan, archive, _identity = job
    try:
        return job, pack(folder.descriptor, archive.name, plan.group.compress, pool), ""
    except PackingProblem as exc:
        return job, None, str(exc)


def _finish(results: Sequence[Packed], folder: Folder) -> None:
    """Give the packed copies their names, make these survive a power cut, and only then remove the raw files."""
    at = folder.descriptor
    renamed = []
    drafts = [packed[0] for _job, packed, _problem in results if packed is not None]
    try:
        make_durable(at, drafts)
    except OSError as exc:
        for draft in drafts:
            remove(draft, at)
        results = [(job, None, exc.strerror or str(exc)) for job, _packed, _problem in results]
    for job, packed, problem in results:
        plan, archive, identity = job
        if packed is None:
            plan.failures.append(f"{archive.name} could not be packed: {problem}; it stays as it is")
            continue
        draft, size = packed
        final = archive._replace(packed=SUFFIXES[plan.group.compress])
        now = os.stat(archive.name, dir_fd=at, follow_symlinks=False)
        # Asked once more: somebody may have opened the log by its name just before it was renamed.
        if identity_of(now) != identity or now.st_size != size or ask_kernel(archive.name, at) == WRITTEN:
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
    held = {archive for archive, identity in plan.raw if identity in plan.held | plan.unsure}
    for archive, size, reason in removals:
        if archive in held:
            continue
        os.unlink(archive.name, dir_fd=folder.descriptor)
        plan.removed.append((archive, size, reason))
        plan.finished = [item for item in plan.finished if item[0] != archive]
        plan.raw = [item for item in plan.raw if item[0] != archive]
