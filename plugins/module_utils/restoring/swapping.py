# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Replace trees by new ones: staged beside their places, exchanged when all are whole, the ones from before kept.

Whoever can fill a directory can use it (an archive, a restic snapshot)::

    finish_interrupted(state_directory)
    staged = stage(state_directory, ["/opt/app"], what, now=now)
    try:
        fill(staged.items[0].kept)               # makes this directory or file
        staged.commit()
    except BaseException:
        staged.abandon()
        raise
    prune_kept(state_directory, ["/opt/app"], keep=1)

All of it expects that the lock of the host is held.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from typing import Optional

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring import journal as journals
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.folders import identity, opened, remove_tree
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.journal import Item, Journal, read_journals, write_journal
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.kernel_calls import sync_file_system
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.placing import TREE, holds, is_in_place, obstacle, place


class Staged:
    """A restore on its way.

    :ivar items: one for each target, in their order; ``kept`` is the path at which the new tree is to be made.
    """

    def __init__(self, state_directory: str, journal: Journal) -> None:
        self._state_directory = state_directory
        self._journal = journal
        self.items = journal.items
        self.id = journal.id

    def commit(self) -> None:
        """Flush the trees to disk and exchange them with what is at their targets; on a failure all are exchanged back.

        :raises UpkeepError: when a tree is missing or cannot be exchanged; the targets are then as they were.
        """
        for item in self.items:
            _sync_tree(item)
        self._journal.phase = journals.SWAPPING
        write_journal(self._state_directory, self._journal)
        try:
            for item in self.items:
                place(item, item.new)
            self._journal.phase = journals.DONE
            write_journal(self._state_directory, self._journal)
        except BaseException:
            self._journal.phase = journals.SWAPPING
            _put_back(self.items)
            raise

    def abandon(self) -> None:
        """Put back what was exchanged and remove what was staged; nothing of the restore remains.

        :raises UpkeepError: when something of it cannot be removed; the next call tries again.
        """
        _clear_away(self._state_directory, self._journal)


def stage(state_directory: str, targets: Sequence[str], what: str, *, now: datetime, run_id: str = "") -> Staged:
    """Make a private directory beside each target, on the same file system.

    :param targets: absolute paths without links; their parents exist.
    :param what: what is restored, for people.
    :param run_id: of the run that restores, by which it can be taken back.
    :raises UpkeepError: when one cannot be made; nothing remains then.
    """
    journal = journals.new_journal(state_directory, what, now, run_id)
    for number, target in enumerate(targets):
        name = f"{journals.STAGING_PREFIX}{journal.id}" + (f"-{number}" if number else "")
        journal.items.append(Item(target, os.path.join(os.path.dirname(target), name)))
    write_journal(state_directory, journal)
    staged = Staged(state_directory, journal)
    try:
        for item in journal.items:
            with opened(os.path.dirname(item.target)) as parent:
                name = os.path.basename(item.staging)
                os.mkdir(name, 0o700, dir_fd=parent)
                item.staging_identity = identity(name, parent)
                item.old = identity(os.path.basename(item.target), parent)
        write_journal(state_directory, journal)
    except OSError as exc:
        staged.abandon()
        raise UpkeepError(f"cannot make a directory beside {item.target}: {exc.strerror}; nothing was changed") from exc
    except BaseException:
        staged.abandon()
        raise
    return staged


def finish_interrupted(state_directory: str, *, check_mode: bool = False) -> list[str]:
    """Complete or clear away what killed runs have left; return what was done, in words.

    A restore that was killed while it exchanged trees is completed when all of them are in place, and otherwise undone. A target
    that somebody else has replaced meanwhile stays as it is: it must not keep all further restores of the host from being made.

    :param check_mode: only say it.
    :raises UpkeepError: when it cannot be done; it says where to look.
    """
    done = []
    for journal in read_journals(state_directory):
        targets = ", ".join(item.target for item in journal.items)
        if journal.phase == journals.SWAPPING and all(is_in_place(item, item.new) for item in journal.items):
            done.append(f"the interrupted restore of {targets} ({journal.id}) was complete and stays")
            if not check_mode:
                _settle(state_directory, journal, journals.DONE)
        elif journal.phase in (journals.STAGING, journals.SWAPPING):
            words = _words(_obstacles(journal)) if journal.phase == journals.SWAPPING else ""
            done.append(f"the interrupted restore of {targets} ({journal.id}) was undone; what was there before is in place{words}")
            if not check_mode:
                _clear_away(state_directory, journal)
        elif journal.phase == journals.RETURNING:
            words = _words(_obstacles(journal))
            done.append(f"the interrupted return of {targets} ({journal.id}) to what was there before was completed{words}")
            if not check_mode:
                _settle(state_directory, journal, journals.RETURNED)
        if not check_mode:
            _remove(state_directory, journal, [item for item in journal.items if item.removing])
    return done


def find_previous(state_directory: str, targets: Sequence[str], restore_id: str = "") -> Journal:
    """Return the newest restore of all the targets, or the one with the given id.

    :param targets: none means all of that restore.
    :raises UpkeepError: when there is none, a newer restore of a target stands before it, or it cannot be taken back any more.
    """
    journals_here = [journal for journal in read_journals(state_directory) if not any(item.removing for item in journal.items)]
    for number, journal in reversed(list(enumerate(journals_here))):
        paths = {item.target for item in journal.items}
        if restore_id not in ("", journal.id) or not set(targets) <= paths or not paths:
            continue
        newer = [other.id for other in journals_here[number + 1 :] if paths & {item.target for item in other.items}
                 and other.phase == journals.DONE]
        if newer:
            raise UpkeepError(f"{', '.join(sorted(paths))}: the restore {newer[-1]} came after {journal.id}; take that one back first")
        problems = _obstacles(journal) if journal.phase == journals.DONE else []
        if problems:
            raise UpkeepError(f"{problems[0]}; nothing was changed")
        return journal
    which = f"the restore {restore_id}" if restore_id else "a restore"
    raise UpkeepError(f"no tree from before {which} of {', '.join(targets) or 'any target'} is kept; nothing was changed")


def find_of_run(state_directory: str, run_id: str) -> Optional[Journal]:
    """Return the newest restore that a run has done and that was not taken back; None when there is none."""
    done = [journal for journal in read_journals(state_directory) if journal.run_id == run_id and journal.phase == journals.DONE]
    return done[-1] if done else None


def return_to_previous(state_directory: str, journal: Journal) -> bool:
    """Put back what was at the targets before a restore, in one exchange for each; return whether that changed anything.

    :raises UpkeepError: when it cannot be done; the next call goes on with it.
    """
    if journal.phase == journals.RETURNED:
        return False
    journal.phase = journals.RETURNING
    write_journal(state_directory, journal)
    problems = _settle(state_directory, journal, journals.RETURNED)
    if problems:
        raise UpkeepError(problems[0])
    return True


def prune_kept(state_directory: str, targets: Sequence[str], keep: int) -> list[str]:
    """Remove the trees that are kept of the targets, but for the newest ``keep`` of each; return their paths.

    Those of a restore that was taken back go first: nobody goes back to them.
    """
    removed = []
    counts = dict.fromkeys(targets, 0)
    for journal in sorted(reversed(read_journals(state_directory)), key=lambda one: one.phase == journals.RETURNED):
        surplus = []
        for item in journal.items:
            if item.target in counts:
                counts[item.target] += 1
                if counts[item.target] > keep:
                    surplus.append(item)
        removed += [item.kept for item in surplus]
        _remove(state_directory, journal, surplus)
    return removed


def _settle(state_directory: str, journal: Journal, phase: str) -> list[str]:
    """Complete what was begun; return why some targets stay as they are, in words."""
    problems = []
    if phase == journals.RETURNED:
        problems = _put_back(journal.items)
    else:
        for item in journal.items:
            place(item, item.new)
    journal.phase = phase
    write_journal(state_directory, journal)
    return problems


def _obstacles(journal: Journal) -> list[str]:
    """Return why what was there before cannot be put back, in words; empty when it can."""
    return [problem for problem in (obstacle(item, item.old) for item in journal.items) if problem]


def _words(problems: Sequence[str]) -> str:
    return f", but {problems[0]}" if problems else ""


def _put_back(items: Sequence[Item]) -> list[str]:
    """Put back what was at the targets before, but where somebody has put something else by now; return these, in words.

    :raises UpkeepError: when one cannot be put back for another reason; the others are all the same.
    """
    problems: list[str] = []
    failure: Optional[UpkeepError] = None
    for item in reversed(items):
        try:
            problem = obstacle(item, item.old)
            if problem:
                problems.append(problem)
            else:
                place(item, item.old)
        except UpkeepError as exc:
            failure = failure or exc
    if failure is not None:
        raise failure
    return problems


def _clear_away(state_directory: str, journal: Journal) -> None:
    """Needs no room on the disk: it is what a full one is met with."""
    left: list[Item] = []
    if journal.phase == journals.SWAPPING:
        _put_back(journal.items)
        # What was there before is not thrown away only since somebody has replaced what was restored.
        left = [item for item in journal.items if item.old is not None and not is_in_place(item, item.old) and holds(item, item.old)]
    _remove(state_directory, journal, [item for item in journal.items if item not in left])
    if left:
        journal.phase = journals.DONE
        write_journal(state_directory, journal)


def _remove(state_directory: str, journal: Journal, items: Sequence[Item]) -> None:
    """Remove staging directories and take their items off the journal, so that no half-removed tree is ever put back."""
    if not items:
        return
    if journal.phase not in (journals.STAGING, journals.SWAPPING):
        for item in items:
            item.removing = True
        write_journal(state_directory, journal)
    for item in items:
        try:
            with opened(os.path.dirname(item.staging)) as parent:
                name = os.path.basename(item.staging)
                if item.staging_identity in (None, identity(name, parent)):
                    remove_tree(name, parent)
        except FileNotFoundError:
            pass  # the parent itself is gone
        except OSError as exc:
            raise UpkeepError(f"{item.staging} cannot be removed: {exc.strerror}; the next call tries again") from exc
        journal.items.remove(item)
    write_journal(state_directory, journal)


def _sync_tree(item: Item) -> None:
    try:
        with opened(item.staging) as staging:
            item.new = identity(TREE, staging)
            sync_file_system(staging)
    except OSError as exc:
        raise UpkeepError(f"{item.kept} cannot be flushed to disk: {exc.strerror}; {item.target} is unchanged") from exc
    if item.new is None:
        raise UpkeepError(f"{item.kept} was not made; {item.target} is unchanged")
