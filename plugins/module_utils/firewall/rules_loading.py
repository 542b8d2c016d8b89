# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Loading rules of nftables: note the way back, arm its timer, and only then load, so that a run that dies leaves a way back.

The files for the next start are written when somebody came back and confirmed: a restart before that is a way back too.
"""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.atomic_files import make_private_directory, write_atomically
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall import (
    nftables,
    revert_timer,
    rules_persisting,
    rules_record,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.rules_answer import Seen, answer_acting
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.rules_kernel import digest_of, present_tables, way_back
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.rules_persisting import Kept
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.rules_query import look, query_rules
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.rules_record import CONFIRMED, PENDING, Record
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.rules_text import Table, read_rules, transaction
from ansible_collections.upkeep.runbook.plugins.module_utils.locking import CONTAINMENT_LOCK_FILE, LockOwner, exclusive_lock
from ansible_collections.upkeep.runbook.plugins.module_utils.option_ranges import refuse_out_of_range
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso

_RANGES = {"revert_seconds": (10, 86_400), "lock_wait_seconds": (0, 86_400)}
_DESCRIPTION = "Put the rules of nftables from before back, unless the new ones are confirmed"
#: A path in the command of a timer, in which systemd would read % and $.
_PLAIN_PATH = re.compile(r"/[A-Za-z0-9._+/-]*")


@dataclass(frozen=True)
class _Done:
    """What was done, or would be.

    :ivar text: the rules that are or would be in force.
    :ivar left: why a timer of rules that were taken back may still come, as a sentence without its full stop; "" when none does.
    """

    changed: bool
    text: str
    left: str = ""


def manage_rules(params: Mapping[str, Any], *, now: datetime, check_mode: bool) -> dict[str, Any]:
    """Do what the options ask for and return what the module returns.

    :param params: the options of the module.
    :raises UpkeepError: when an option or the rules are wrong, or they cannot be loaded.
    """
    refuse_out_of_range(params, _RANGES)
    state = Path(params["state_directory"])
    for name in ("path", "state_directory"):
        if not _PLAIN_PATH.fullmatch(params[name]):
            raise UpkeepError(f"{name}: give an absolute path of letters, digits, dots, hyphens and underscores.")
    kept = Kept(Path(params["path"]), Path(params["configuration"]) if params["configuration"] else None, state)
    if params["state"] == "query":
        return query_rules(kept)
    if params["state"] == "present" and params["content"] is None:
        raise UpkeepError("content: give the rules.")
    if check_mode:
        return _act(params, kept, now, check_mode=True)
    owner = LockOwner(params["run_id"] or "-", "nft_rules", to_iso(now))
    with exclusive_lock(state / CONTAINMENT_LOCK_FILE, owner, wait_seconds=params["lock_wait_seconds"]):
        return _act(params, kept, now, check_mode=False)


def _act(params: Mapping[str, Any], kept: Kept, now: datetime, *, check_mode: bool) -> dict[str, Any]:
    try:
        seen = look(kept)
        work = {"present": _load, "confirmed": _confirm, "absent": _remove, "reverted": _revert}[params["state"]]
        done = work(params, kept, seen, now, check_mode)
        after = seen if check_mode else look(kept)
    except nftables.Unseen as exc:
        raise UpkeepError(f"{exc} {exc.hint}".strip()) from exc
    return answer_acting(str(kept.path), params["state"], seen, after, done.text, changed=done.changed, done=not check_mode, left=done.left)


def _load(params: Mapping[str, Any], kept: Kept, seen: Seen, now: datetime, check_mode: bool) -> _Done:
    rules = read_rules(params["content"])
    record = seen.record
    if seen.silence:
        raise UpkeepError(f"{seen.silence}, and put other rules back. Nothing was changed.")
    if record is not None and record.rules == rules and seen.in_force:
        if record.phase == CONFIRMED:
            rules_persisting.refuse_configuration(kept)
            changes = bool(seen.timers) or rules_persisting.would_change(kept, rules)
            if (changes or record.timers) and not check_mode:
                _stop(record)  # of a run that was killed when it had confirmed
                _settle(kept, record)
            noted = _noting(kept, record)
            if noted != record and not check_mode:
                rules_record.write_record(kept.state, dataclasses.replace(noted, timers=[], before=None))
            return _Done(changes, rules.text)
        if seen.timers:
            if params["run_id"] and not check_mode:  # it is this run now that comes back and confirms
                rules_record.write_record(kept.state, dataclasses.replace(record, run_id=params["run_id"]))
            return _Done(False, rules.text)
    revert_timer.require_systemd()
    rules_persisting.refuse_configuration(kept)
    # Those of before, too: what the new rules do not define any more goes with the same transaction.
    asked = _union(rules.tables, rules_record.tables_of(record))
    nftables.load(transaction(asked, rules.text), check_only=True)
    if check_mode:
        nftables.load(way_back(asked), check_only=True)
        return _Done(True, rules.text)
    base, left = _take_back(kept, seen)
    if left:
        raise UpkeepError(f"{left}. The rules are not loaded; those from before are in force.")
    cleared = _union(rules.tables, rules_record.tables_of(base))
    back = way_back(cleared)
    nftables.load(back, check_only=True)  # what cannot be brought back is not taken away
    others, was = present_tables() - set(cleared), digest_of(cleared)
    timer = revert_timer.new_timer(rules_record.TIMER_PREFIX)
    until = to_iso(now + timedelta(seconds=params["revert_seconds"]))
    made = Record(PENDING, to_iso(now), params["run_id"] or "", until, [timer], rules, "", base)
    way = rules_record.way_back_file(kept.state, timer)
    make_private_directory(kept.state)
    write_atomically(way, back.encode())
    rules_record.write_record(kept.state, made)  # where they are kept is noted when somebody confirms, and they are
    begin = time.monotonic()
    try:
        revert_timer.arm_timer(timer, params["revert_seconds"], [nftables.find_nft(), "-f", str(way)], _DESCRIPTION)
        nftables.load(transaction(cleared, rules.text))
        # A timer whose time was over before that took nothing back, and never comes again.
        if time.monotonic() - begin >= params["revert_seconds"] or not revert_timer.timer_runs(timer):
            raise UpkeepError("The timer was over before the rules were loaded; those from before are back. Give a longer revert_seconds.")
    except UpkeepError as exc:
        if digest_of(cleared) != was:
            nftables.load(back)
        left = _forget(kept, made)
        if left and not isinstance(exc, revert_timer.Silent):
            raise UpkeepError(f"{exc.message} {left}; it changes nothing any more.") from exc
        if left:
            raise UpkeepError(f"{left}, so that nothing would take the rules back; those from before are in force.") from exc
        raise
    rules_record.write_record(kept.state, dataclasses.replace(made, digest=digest_of(rules.tables)))
    missing = (others | set(rules.tables)) - present_tables()
    if missing:
        nftables.load(back)
        _forget(kept, made)
        raise UpkeepError(f"after the rules were loaded, {', '.join(sorted(map(str, missing)))} was missing; the rules from before are back.")
    return _Done(True, rules.text)


def _confirm(params: Mapping[str, Any], kept: Kept, seen: Seen, now: datetime, check_mode: bool) -> _Done:
    record = seen.record
    if record is None or not seen.in_force:
        raise UpkeepError("The rules are not in force, so there is nothing to confirm; their timer may have taken them back. Load them again.")
    if record.phase == PENDING and params["run_id"] and record.run_id not in ("", plain(params["run_id"], 100)):
        # This one may have come in before those rules were loaded, which proves nothing.
        raise UpkeepError(f"The rules were loaded by another run since ({record.run_id}), which confirms them itself.")
    if seen.silence:
        raise UpkeepError(f"{seen.silence}, and take the rules back. They are not confirmed.")
    waits = record.phase == PENDING or bool(seen.timers)
    if check_mode:
        return _Done(waits, record.rules.text)
    # What was before is noted until the timer is gone: it may still come back when this run is killed.
    confirmed = _noting(kept, dataclasses.replace(record, phase=CONFIRMED, reverts_at=None))
    if waits:
        rules_record.write_record(kept.state, confirmed)
        try:
            _stop(record)
        except UpkeepError as exc:
            rules_record.write_record(kept.state, record)  # nothing is confirmed as long as a timer may come
            raise UpkeepError(f"{exc.message} The rules are not confirmed: a timer may take them back.") from exc
        if digest_of(record.rules.tables) != record.digest:
            rules_record.write_record(kept.state, record.before)
            raise UpkeepError("The timer has put the rules from before back just now. Load them again, with a longer revert_seconds.")
    written = _settle(kept, confirmed)
    return _Done(waits or written, record.rules.text)


def _noting(kept: Kept, record: Record) -> Record:
    """Return a record that says where its rules are kept, for whoever asks later without the options of this run."""
    return dataclasses.replace(record, path=str(kept.path), configuration="" if kept.configuration is None else str(kept.configuration))


def _settle(kept: Kept, record: Record) -> bool:
    """Write confirmed rules whose timers are gone for the next start, and forget the way back; return whether a file was written."""
    written = rules_persisting.keep(kept, record.rules)
    rules_record.keep_replaced(kept.state, record)
    if record.timers:
        rules_record.write_record(kept.state, dataclasses.replace(record, timers=[], before=None))
    rules_record.remove_ways_back(kept.state, [])
    return written


def _revert(params: Mapping[str, Any], kept: Kept, seen: Seen, now: datetime, check_mode: bool) -> _Done:
    """Put back what was there before rules that nobody confirmed; those that were confirmed stay."""
    if seen.record is None or seen.record.phase == CONFIRMED:
        return _Done(False, seen.record.rules.text if seen.record else "")
    before, left = seen.record.before, ""
    if not check_mode:
        left = _take_back(kept, seen)[1]
    return _Done(True, before.rules.text if before else "", left)


def _remove(params: Mapping[str, Any], kept: Kept, seen: Seen, now: datetime, check_mode: bool) -> _Done:
    if seen.record is None:
        return _Done(False, "")
    left = ""
    if not check_mode:
        base, left = _take_back(kept, seen)
        rules_persisting.drop(kept)
        if base is not None:
            nftables.load(transaction(rules_record.tables_of(base), ""))
        rules_record.write_record(kept.state, None)
    return _Done(True, "", left)


def _take_back(kept: Kept, seen: Seen) -> tuple[Record | None, str]:
    """Put the rules from before back where those of the record were never confirmed.

    :return: what was confirmed last, and why a timer may still come, as a sentence without its full stop; "" when none does.
        Its file is gone then, without which it changes nothing.
    """
    record, left = seen.record, ""
    if record is None or record.phase == CONFIRMED:
        if record is not None:
            left = _why_left(record)
            rules_record.keep_replaced(kept.state, record)
        rules_record.remove_ways_back(kept.state, [])
        return record, left
    # Not in force and without a timer, the timer or a restart has put them back, and others may have worked on them since. Where nobody can
    # see the timer, the rules of a killed run may still be there: to give the host back comes first.
    way = rules_record.way_back_file(kept.state, record.timers[-1]) if record.timers else None
    if way is not None and way.exists() and (seen.in_force or seen.timers or seen.silence):
        nftables.load(way.read_text(encoding="utf-8"))
    return record.before, _forget(kept, record)


def _forget(kept: Kept, record: Record) -> str:
    """Stop the timers of rules that are gone, and note what was confirmed before; return why one may still come, as :func:`_take_back`."""
    left = _why_left(record)
    rules_record.write_record(kept.state, record.before)
    rules_record.remove_ways_back(kept.state, [])
    return left


def _why_left(record: Record) -> str:
    """Stop the timers of a record; return why one may still come, as a sentence without its full stop, or ""."""
    try:
        revert_timer.stop_timers(record.timers)
    except UpkeepError as exc:
        return exc.message
    return ""


def _stop(record: Record) -> None:
    """Stop the timers of rules that stay.

    :raises UpkeepError: when one may still come.
    """
    left = _why_left(record)
    if left:
        raise UpkeepError(f"{left}.")


def _union(one: tuple[Table, ...], other: tuple[Table, ...]) -> tuple[Table, ...]:
    return tuple(dict.fromkeys([*one, *other]))
