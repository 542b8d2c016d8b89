# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Put the new tree or the one from before at a target, from whatever state a killed run has left; each step is a rename."""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import Optional

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring import kernel_calls
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.folders import Identity, identity, opened
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.journal import Item

#: Names in the staging directory: of the tree that is not at the target, and of one on its way where there is no exchange.
TREE, ASIDE = "tree", "aside"


def is_in_place(item: Item, wanted: Optional[Identity]) -> bool:
    """Tell whether a tree is at its target; None asks whether nothing is there.

    :raises UpkeepError: when nobody can look.
    """
    try:
        with opened(os.path.dirname(item.target)) as parent:
            return identity(os.path.basename(item.target), parent) == wanted
    except FileNotFoundError:
        return wanted is None
    except OSError as exc:
        raise UpkeepError(f"cannot look at {item.target}: {exc.strerror}") from exc


def obstacle(item: Item, wanted: Optional[Identity]) -> str:
    """Return why ``wanted`` cannot be put at its target, in words, or an empty text when it can, or is there already.

    :raises UpkeepError: when nobody can look.
    """
    if is_in_place(item, wanted):
        return ""
    try:
        with opened(os.path.dirname(item.target)) as parent, opened(item.staging) as staging:
            if item.staging_identity != os.fstat(staging).st_ino:
                return f"{item.staging} is not the directory that the restore has made; look at what it is"
            there = identity(os.path.basename(item.target), parent)
            return _refusal(item, wanted, there, {identity(slot, staging) for slot in (ASIDE, TREE)})
    except (FileNotFoundError, NotADirectoryError):
        return f"{item.staging} is gone; {item.target} stays as it is"
    except OSError as exc:
        raise UpkeepError(f"cannot look at {item.target} and {item.staging}: {exc.strerror}") from exc


def holds(item: Item, wanted: Identity) -> bool:
    """Tell whether a tree is in the staging directory."""
    try:
        with opened(item.staging) as staging:
            return wanted in (identity(ASIDE, staging), identity(TREE, staging))
    except OSError:
        return False


def _refusal(item: Item, wanted: Optional[Identity], there: Optional[Identity], held: Collection[Optional[Identity]]) -> str:
    if there not in (None, item.new, item.old):
        return (
            f"{item.target} is neither what was restored nor what was there before: somebody has replaced it; "
            f"the other tree is {item.kept}"
        )
    if wanted is not None and there != wanted and wanted not in held:
        return f"{item.kept} is gone; {item.target} stays as it is"
    return ""


def place(item: Item, wanted: Optional[Identity]) -> None:
    """See that ``wanted``, which is ``item.new`` or ``item.old``, is at the target, and the other one in the staging directory.

    None means that nothing is to be at the target. What is done already is not done again.

    :raises UpkeepError: when it cannot be done, or something else stands at the target by now.
    """
    name = os.path.basename(item.target)
    try:
        with opened(os.path.dirname(item.target)) as parent, opened(item.staging) as staging:
            if item.staging_identity != os.fstat(staging).st_ino:
                raise UpkeepError(f"{item.staging} is not the directory that the restore has made; look at what it is")
            _place(name, parent, staging, wanted, item)
            os.fsync(staging)
            os.fsync(parent)
    except OSError as exc:
        if isinstance(exc, FileNotFoundError) and is_in_place(item, wanted):
            return  # and the staging directory is gone
        raise UpkeepError(
            f"{item.target} cannot be exchanged with {item.kept}: {exc.strerror or exc}; both are as they were"
        ) from exc


def _place(name: str, parent: int, staging: int, wanted: Optional[Identity], item: Item) -> None:
    there = identity(name, parent)
    held = {identity(slot, staging): slot for slot in (ASIDE, TREE)}
    held.pop(None, None)
    refusal = _refusal(item, wanted, there, held)
    if refusal:
        raise UpkeepError(refusal)
    if there != wanted:
        if wanted is None:
            os.rename(name, _free_slot(held), src_dir_fd=parent, dst_dir_fd=staging)
        elif there is None:
            os.rename(held[wanted], name, src_dir_fd=staging, dst_dir_fd=parent)
        elif not kernel_calls.exchange(held[wanted], staging, name, parent):
            # Between these two nothing is at the target; the journal makes the next run go on from here.
            os.rename(name, ASIDE if held[wanted] == TREE else TREE, src_dir_fd=parent, dst_dir_fd=staging)
            os.fsync(staging)
            os.rename(held[wanted], name, src_dir_fd=staging, dst_dir_fd=parent)
    if identity(TREE, staging) is None and identity(ASIDE, staging) is not None:
        os.rename(ASIDE, TREE, src_dir_fd=staging, dst_dir_fd=staging)


def _free_slot(held: dict[Optional[Identity], str]) -> str:
    return ASIDE if TREE in held.values() else TREE
