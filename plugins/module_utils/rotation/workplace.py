# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where the work on logs is done: in their open folder, with the rights of its owner."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.folders import Folder, Refused, acting_as, open_folder
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.planning import LogPlan
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.writers import identity_of


def in_folders(plans: Sequence[LogPlan], work: Callable[[LogPlan, Folder], None], *, sync: bool = True) -> None:
    """Do something for each log in its open folder, with the rights of the owner of the folder.

    What the system refuses is noted in the plan of the log; the others go on.

    :param sync: the work changes names in the folder, which shall survive a power cut.
    """
    by_folder: dict[str, list[LogPlan]] = {}
    for plan in plans:
        if not plan.refused:
            by_folder.setdefault(plan.folder, []).append(plan)
    for mine in by_folder.values():
        try:
            with folder_of(mine) as folder:
                for plan in mine:
                    try:
                        work(plan, folder)
                    except Refused as exc:
                        plan.refuse(str(exc))
                    except OSError as exc:
                        plan.failures.append(exc.strerror or str(exc))
                        plan.archive = None
                if sync:
                    folder.sync()
        except (Refused, OSError) as exc:
            reason = str(exc) if isinstance(exc, Refused) else f"its folder cannot be worked in ({exc.strerror})"
            for plan in mine:
                plan.failures.append(reason)


@contextmanager
def folder_of(plans: Sequence[LogPlan]) -> Iterator[Folder]:
    """Enter the folder of some logs, if it is still the one that was looked at, with the rights of its owner.

    :raises Refused: when it is another one.
    """
    first = plans[0]
    with open_folder(first.folder) as folder:
        if identity_of(folder.status) != first.folder_identity or folder.owner != first.owner:
            raise Refused("its folder was exchanged for another one just now; run again")
        with acting_as(folder.owner, {plan.status.st_gid for plan in plans if plan.status is not None}):
            yield folder
