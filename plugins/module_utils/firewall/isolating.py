# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Isolating a host: note the timer, arm it, and only then load the rules, so that a run that dies leaves a way back."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.commands import run_command
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall import (
    isolation_boot,
    isolation_record,
    nftables,
    revert_timer,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.chains import Chain, read_chains
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.isolation_answer import (
    Seen,
    answer_acting,
    answer_query,
    answer_unseen,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.isolation_record import CONFIRMED, PENDING, RELEASED, Record
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.isolation_rules import (
    TABLE,
    is_in_force,
    isolation_rules,
    read_ways,
    ruleset,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.operators import find_operator
from ansible_collections.upkeep.runbook.plugins.module_utils.locking import CONTAINMENT_LOCK_FILE, LockOwner, exclusive_lock
from ansible_collections.upkeep.runbook.plugins.module_utils.option_ranges import refuse_out_of_range
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso

_RANGES = {"revert_seconds": (10, 86_400), "lock_wait_seconds": (0, 86_400)}

_DESCRIPTION = "Give this host back, unless its isolation is confirmed"


@dataclass(frozen=True)
class Place:
    """Where things are.

    :ivar state: folder of the record.
    :ivar units: folder of units of systemd.
    """

    state: Path
    units: Path


def isolate_host(params: Mapping[str, Any], *, now: datetime, check_mode: bool) -> dict[str, Any]:
    """Do what the options ask for and return what the module returns.

    :raises UpkeepError: when an option is wrong, there is no way back, or the rules cannot be changed.
    """
    refuse_out_of_range(params, _RANGES)
    place = Place(Path(params["state_directory"]), Path(params["unit_directory"]))
    if params["state"] == "query":
        return _query(place)
    if check_mode:
        return _act(params, place, now, check_mode=True)
    owner = LockOwner(params["run_id"] or "-", "host_isolate", to_iso(now))
    with exclusive_lock(place.state / CONTAINMENT_LOCK_FILE, owner, wait_seconds=params["lock_wait_seconds"]):
        return _act(params, place, now, check_mode=False)


def _query(place: Place) -> dict[str, Any]:
    try:
        return answer_query(_look(place))
    except nftables.Unseen as exc:
        return answer_unseen(str(exc), exc.hint)
    except UpkeepError as exc:
        return answer_unseen(exc.message, "")


def _act(params: Mapping[str, Any], place: Place, now: datetime, *, check_mode: bool) -> dict[str, Any]:
    try:
        seen = _look(place)
        work = {"present": _isolate, "confirmed": _confirm, "absent": _release}[params["state"]]
        changed, rules = work(params, place, seen, now, check_mode)
        flushed = bool(changed and not check_mode and params["flush_connections"] and _flush_connections())
        after = seen if check_mode else _look(place)
    except nftables.Unseen as exc:
        raise UpkeepError(f"{exc} {exc.hint}".strip()) from exc
    answer = answer_acting(params["state"], seen, after, rules, changed=changed, done=not check_mode)
    return {**answer, "connections_flushed": flushed}


def _look(place: Place) -> Seen:
    chains = _chains()
    record = isolation_record.read_record(place.state)
    timers = revert_timer.look_at(record.timers if record else [])
    return Seen(chains, record, timers.running, isolation_boot.is_installed(place.units), timers.silence)


def _isolate(
    params: Mapping[str, Any], place: Place, seen: Seen, now: datetime, check_mode: bool
) -> tuple[bool, dict[str, list[str]] | None]:
    rules = isolation_rules(read_ways(params, find_operator().established))
    record = seen.record
    guarded = record is not None and (record.phase == CONFIRMED or (record.phase == PENDING and bool(seen.timers)))
    if guarded and is_in_force(seen.chains, rules):
        return False, rules
    if seen.silence:
        raise UpkeepError(f"{seen.silence}, and end the isolation early. Nothing was changed.")
    revert_timer.require_systemd()
    text = ruleset(rules)
    nftables.load(text, check_only=True)
    if check_mode:
        return True, rules
    timer, old = revert_timer.new_timer(isolation_record.TIMER_PREFIX), record.timers if record else []
    made = Record(
        PENDING, record.since if record and seen.chains is not None else to_iso(now), plain(params["reason"] or "", 200),
        params["run_id"] or "", to_iso(now + timedelta(seconds=params["revert_seconds"])), [*old, timer], rules,
    )
    nft = nftables.find_nft()
    # What was confirmed before is not what a restart would bring back now.
    isolation_boot.remove(place.units, place.state)
    # Until the timer runs, what was confirmed stays confirmed.
    noted = made if record is None or seen.chains is None else dataclasses.replace(record, timers=made.timers)
    isolation_record.write_record(place.state, noted)
    try:
        revert_timer.arm_timer(timer, params["revert_seconds"], revert_command(nft), _DESCRIPTION)
        isolation_record.write_record(place.state, made)
        nftables.load(text)
    except UpkeepError as exc:
        if _chains() == seen.chains:  # otherwise the timer is needed
            left = _undo(place, seen, made, nft)
            if left:
                raise UpkeepError(f"{exc.message.rstrip('.')}. {left}; that timer is noted.") from exc
        raise
    try:
        revert_timer.stop_timers(old)
    except UpkeepError as exc:
        raise UpkeepError(f"{exc.message}. The host is isolated until it comes, or until {made.reverts_at}.") from exc
    isolation_record.write_record(place.state, dataclasses.replace(made, timers=[timer]))
    if not is_in_force(_chains(), rules):
        raise UpkeepError(f"the table {TABLE} in the kernel is not what was loaded; the timer gives the host back at {made.reverts_at}.")
    return True, rules


def revert_command(nft: str) -> list[str]:
    """Return what gives the host back. The table is named first, so that a timer that comes late finds something to delete."""
    return [nft, f"table inet {TABLE}; delete table inet {TABLE}"]


def _undo(place: Place, seen: Seen, made: Record, nft: str) -> str:
    """Put back what was noted before an isolation that did not come about; return why its timer may still come, "" when it does not."""
    left, noted = "", seen.record
    try:
        revert_timer.stop_timers(made.timers[-1:])
    except UpkeepError as exc:
        # It would end what is confirmed, or comes later: whoever confirms or isolates must know of it.
        left = exc.message
        noted = dataclasses.replace(made, phase=RELEASED) if noted is None else dataclasses.replace(noted, timers=made.timers)
    isolation_record.write_record(place.state, noted)
    if seen.persistent and seen.record is not None:
        isolation_boot.install(place.units, place.state, nft, ruleset(seen.record.rules))
    return left


def _confirm(
    params: Mapping[str, Any], place: Place, seen: Seen, now: datetime, check_mode: bool
) -> tuple[bool, dict[str, list[str]] | None]:
    record = seen.record
    if seen.chains is None:
        raise UpkeepError("The host is not isolated, so there is nothing to confirm; its timer may have given it back. Isolate it again.")
    if record is None or record.phase == RELEASED or not is_in_force(seen.chains, record.rules):
        raise UpkeepError(f"The rules of {TABLE} are not those that were loaded; isolate the host again (state=present) and confirm then.")
    persist = bool(params["persist"])
    if record.phase == CONFIRMED and not record.timers and persist == seen.persistent:
        return False, dict(record.rules)
    if seen.silence:
        raise UpkeepError(f"{seen.silence}, and give the host back. The isolation is not confirmed.")
    if check_mode:
        return True, dict(record.rules)
    confirmed = dataclasses.replace(record, phase=CONFIRMED, reverts_at=None)
    isolation_record.write_record(place.state, confirmed)
    try:
        revert_timer.stop_timers(record.timers)
    except UpkeepError as exc:
        isolation_record.write_record(place.state, record)  # nothing is confirmed as long as a timer may come
        raise UpkeepError(f"{exc.message}. The isolation is not confirmed: a timer may give the host back.") from exc
    if not is_in_force(_chains(), record.rules):
        isolation_record.write_record(place.state, record)
        raise UpkeepError("The timer has given the host back just now. Isolate it again, with a longer revert_seconds.")
    isolation_record.write_record(place.state, dataclasses.replace(confirmed, timers=[]))
    if persist:
        isolation_boot.install(place.units, place.state, nftables.find_nft(), ruleset(record.rules))
    else:
        isolation_boot.remove(place.units, place.state)
    return True, dict(record.rules)


def _release(
    params: Mapping[str, Any], place: Place, seen: Seen, now: datetime, check_mode: bool
) -> tuple[bool, dict[str, list[str]] | None]:
    if seen.chains is None and not seen.persistent and (seen.record is None or seen.record.phase == RELEASED):
        if not check_mode:
            _forget(place, seen.record)
        return False, None
    if not check_mode:
        isolation_boot.remove(place.units, place.state)
        if seen.chains is not None:
            nftables.load(ruleset(None))
        _forget(place, seen.record)
    return True, None


def _forget(place: Place, record: Record | None) -> None:
    """Stop the timers of an isolation that is over. One that may still come stays noted: it finds nothing now, and would end the next isolation."""
    if record is None:
        return
    try:
        revert_timer.stop_timers(record.timers)
    except UpkeepError:
        isolation_record.write_record(place.state, dataclasses.replace(record, phase=RELEASED, reverts_at=None))
    else:
        isolation_record.write_record(place.state, None)


def _flush_connections() -> bool:
    """Let the kernel forget the connections that it tracks, so that nobody takes them for open; the rules need it not."""
    program = shutil.which("conntrack", path=nftables.SEARCH_PATH)
    return program is not None and run_command([program, "-F"]).succeeded


def _chains() -> dict[str, Chain] | None:
    objects = nftables.list_table(TABLE)
    try:
        return None if objects is None else read_chains(objects)
    except (KeyError, TypeError) as exc:
        raise nftables.Unseen(f"the table {TABLE} cannot be understood.", hint=f"Look at it: nft list table inet {TABLE}") from exc
