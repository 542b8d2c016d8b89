# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who writes to the logs that are to be rotated, and whether they can be told: before anything is touched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.folders import Folder
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.leases import (
    UNTOLD,
    WRITTEN,
    ask_kernel,
    ignoring_broken_leases,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.planning import LogPlan
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.rules import Reopen
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.telling import (
    Addressee,
    Untold,
    find_addressee,
    shown,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.workplace import in_folders
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.writers import find_writers, identity_of


@dataclass
class Preflight:
    """What is known of the writers before anything is touched.

    :ivar addressees: who is told, and the plans of whose logs.
    :ivar unseen: processes whose open files this user may not see; nobody knows what they write to.
    """

    addressees: list[tuple[Addressee, list[LogPlan]]] = field(default_factory=list)
    unseen: int = 0

    def close(self) -> None:
        """Let go of the processes."""
        for addressee, _plans in self.addressees:
            addressee.close()


def look_at_writers(plans: Sequence[LogPlan]) -> Preflight:
    """Note in each plan who writes to its log and archives, and refuse the logs whose writers cannot be told."""
    concerned = [plan for plan in plans if not plan.refused and (plan.rotates or plan.raw)]
    if not concerned:
        return Preflight()
    files = {identity for plan in concerned for _archive, identity in plan.raw}
    files |= {identity_of(plan.status) for plan in concerned if plan.status is not None and plan.rotates}
    ask_about_writers(concerned)
    seen = find_writers(files)
    for plan in concerned:
        if plan.status is not None and plan.rotates:
            found = seen.by_file.get(identity_of(plan.status), [])
            plan.writers = {writer.pid for writer in found}
            plan.written = plan.written or bool(found)
            # A writer that does not append goes on where it was: everything before would be a hole.
            holes = [writer.pid for writer in found if not writer.appends]
            if plan.group.method == "copytruncate" and holes:
                plan.refuse(f"{shown(holes[0])} does not append to it, and would leave a hole after it is truncated")
        for _archive, identity in plan.raw:
            pids = {writer.pid for writer in seen.by_file.get(identity, [])}
            plan.late_writers |= pids
            if pids:
                plan.held.add(identity)
                plan.unsure.discard(identity)
            elif not seen.unseen:
                plan.unsure.discard(identity)
    preflight = Preflight(unseen=seen.unseen)
    by_reopen: dict[Reopen, list[LogPlan]] = {}
    for plan in concerned:
        if plan.rotates and plan.group.method == "rename" or plan.held:
            by_reopen.setdefault(plan.group.reopen, []).append(plan)
    for reopen, told in by_reopen.items():
        try:
            everybody = {pid for plan in told for pid in plan.writers | plan.late_writers}
            written = any(plan.written or plan.held for plan in told)
            preflight.addressees.append((find_addressee(reopen, everybody, written=written), told))
        except Untold as exc:
            _leave_alone(told, str(exc))
    return preflight


def ask_about_writers(plans: Sequence[LogPlan]) -> None:
    """Ask the kernel whether somebody writes to the logs that are due, and to raw archives."""

    def ask(plan: LogPlan, folder: Folder) -> None:
        if plan.rotates and plan.status is not None:
            plan.written = ask_kernel(plan.name, folder.descriptor) == WRITTEN
        ask_about_archives(plan, folder)

    with ignoring_broken_leases():
        in_folders(plans, ask, sync=False)


def ask_about_archives(plan: LogPlan, folder: Folder) -> None:
    """Note which raw archives of a log somebody writes to, and of which the kernel does not say."""
    plan.held, plan.unsure = set(), set()
    for archive, identity in plan.raw:
        answer = ask_kernel(archive.name, folder.descriptor)
        if answer == WRITTEN:
            plan.held.add(identity)
        elif answer == UNTOLD:
            plan.unsure.add(identity)


def _leave_alone(plans: Sequence[LogPlan], reason: str) -> None:
    """Refuse the logs that somebody writes to; those that nobody writes to need no telling."""
    for plan in plans:
        if plan.held:
            plan.notes.append(f"its writer cannot be told: {reason}")
        if plan.written:
            plan.refuse(f"its writer cannot be told: {reason}")
