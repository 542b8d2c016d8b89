# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Containing accounts: note how each is, shut it, end its sessions, move its keys aside; and all of that backwards."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Collection, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.accounts import authorized_keys, sessions
from ansible_collections.upkeep.runbook.plugins.module_utils.accounts.account_checks import Outcome, answer
from ansible_collections.upkeep.runbook.plugins.module_utils.accounts.authorized_keys import Unsafe
from ansible_collections.upkeep.runbook.plugins.module_utils.accounts.contained import (
    Contained,
    Shadow,
    check_name,
    contained_names,
    folder_of,
    forget_contained,
    read_contained,
    write_contained,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.accounts.local_accounts import (
    EXPIRED,
    Account,
    open_argv,
    read_account,
    run_usermod,
    shut_argv,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.operators import ancestors
from ansible_collections.upkeep.runbook.plugins.module_utils.locking import CONTAINMENT_LOCK_FILE, LockOwner, exclusive_lock
from ansible_collections.upkeep.runbook.plugins.module_utils.option_ranges import refuse_out_of_range
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso


def contain_accounts(params: Mapping[str, Any], *, now: datetime, check_mode: bool) -> dict[str, Any]:
    """Do what the options ask for and return what the module returns.

    :raises UpkeepError: when an option is wrong, an account must not be contained, or something could not be done.
    """
    refuse_out_of_range(params, {"lock_wait_seconds": (0, 86_400)})
    state = Path(params["state_directory"])
    if params["state"] == "query":
        names = [check_name(name) for name in params["users"]] or contained_names(state)
        return answer([_queried(params, state, name) for name in names], "query", done=True)
    names = list(dict.fromkeys(check_name(name) for name in params["users"]))
    if not names:
        raise UpkeepError("users: name at least one account.")
    if check_mode:
        return _act(params, state, names, now, check_mode=True)
    owner = LockOwner(params["run_id"] or "-", "account_containment", to_iso(now))
    with exclusive_lock(state / CONTAINMENT_LOCK_FILE, owner, wait_seconds=params["lock_wait_seconds"]):
        return _act(params, state, names, now, check_mode=False)


def _act(params: Mapping[str, Any], state: Path, names: list[str], now: datetime, *, check_mode: bool) -> dict[str, Any]:
    accounts = [read_account(name) for name in names]
    if params["state"] == "absent":
        outcomes = [_release(params, state, account, check_mode) for account in accounts]
        return answer(outcomes, "absent", done=not check_mode)
    ours = ancestors(os.getpid())
    for account in accounts:
        _refuse(account, params, sessions.account_uids(ours))
    outcomes = [_contain(params, state, account, ours, now, check_mode) for account in accounts]
    return answer(outcomes, "present", done=not check_mode)


def _refuse(account: Account, params: Mapping[str, Any], operators: Collection[int]) -> None:
    if account.uid == 0 and not params["allow_root"]:
        raise UpkeepError(f"{account.name} is root; with allow_root=true it is contained all the same. Nothing was changed.")
    if account.uid in operators and not params["allow_operator"]:
        raise UpkeepError(
            f"{account.name} is the account from which this run was started; you could not come back. With allow_operator=true it is"
            " contained all the same. Nothing was changed."
        )


def _contain(
    params: Mapping[str, Any], state: Path, account: Account, spared: Collection[int], now: datetime, check_mode: bool
) -> Outcome:
    outcome = Outcome(account.name)
    known = read_contained(state, account.name)
    contained = known or Contained(account.name, account.uid, to_iso(now), plain(params["reason"] or "", 200), params["run_id"] or "")
    shuts = bool(params["lock"]) and not account.is_shut()
    if shuts:
        outcome.shut = True
        if contained.shadow is None:
            contained = dataclasses.replace(contained, shadow=Shadow(
                account.has_password_to_lock, account.expire, account.digest, account.digest_when_shut()
            ))
    found = _keys(params, account, outcome)
    outcome.keys = [path for path, _content, _status in found]
    if check_mode:
        outcome.sessions = sessions.find_sessions(account.uid, spared) if params["end_sessions"] else []
        return outcome
    folder = folder_of(state, account.name)
    make_known = shuts or bool(found) or known is None
    taken = []
    for path, content, status in found:
        digest = hashlib.sha256(content).hexdigest()
        noted = [one for one in contained.keys if (one.path, one.sha256) == (path, digest)]  # by a run that was killed
        write_contained(state, contained)  # the folder of the copies is made below a folder that is there
        taken.append(noted[0] if noted else authorized_keys.store(path, content, status, folder))
    contained = dataclasses.replace(contained, keys=tuple(dict.fromkeys([*contained.keys, *taken])))
    if make_known:
        write_contained(state, contained)
    if shuts:
        run_usermod(shut_argv(account))
    if params["end_sessions"]:
        outcome.ended, outcome.sessions = sessions.end_sessions(account.uid, spared)
    for key_file in taken:
        try:
            authorized_keys.take_away(key_file, account.home)
        except Unsafe as exc:
            outcome.unsafe.append(str(exc))
    _verify(outcome, params)
    outcome.contained = contained
    return outcome


def _keys(params: Mapping[str, Any], account: Account, outcome: Outcome) -> list[tuple[str, bytes, os.stat_result]]:
    found = []
    for path in authorized_keys.places(params["key_files"], account.name, account.home) if params["remove_keys"] else []:
        try:
            one = authorized_keys.read_key_file(path, account.home)
        except Unsafe as exc:
            outcome.unsafe.append(str(exc))
            continue
        if one is not None:
            found.append((path, *one))
    return found


def _verify(outcome: Outcome, params: Mapping[str, Any]) -> None:
    account = read_account(outcome.name)
    outcome.open = bool(params["lock"]) and not account.is_shut()
    outcome.left_keys = [path for path, _content, _status in _keys(params, account, Outcome(outcome.name))]


def _queried(params: Mapping[str, Any], state: Path, name: str) -> Outcome:
    outcome = Outcome(name)
    try:
        outcome.contained = read_contained(state, name)
        if outcome.contained is not None:
            _verify(outcome, {**params, "lock": params["lock"] and outcome.contained.shadow is not None})
            _keys(params, read_account(name), outcome)
            if params["end_sessions"]:
                outcome.sessions = sessions.find_sessions(outcome.contained.uid, ancestors(os.getpid()))
    except UpkeepError as exc:
        outcome.unknown = exc.message
    return outcome


def _release(params: Mapping[str, Any], state: Path, account: Account, check_mode: bool) -> Outcome:
    outcome = Outcome(account.name)
    contained = read_contained(state, account.name)
    if contained is None:
        return outcome
    outcome.contained, outcome.released = contained, True
    # Of files that appeared after the first one was moved aside, none was there before.
    first = {one.path: one for one in reversed(contained.keys)}
    outcome.keys = sorted(first)
    if check_mode:
        return outcome
    folder = folder_of(state, account.name)
    for key_file in first.values():
        try:
            authorized_keys.put_back(key_file, account.home, folder)
        except Unsafe as exc:
            outcome.unsafe.append(str(exc))
    if contained.shadow is not None:
        _open(account, contained.shadow)
        outcome.differs = read_account(account.name).digest != contained.shadow.before
    if outcome.unsafe:
        # The copies stay until somebody has looked.
        return outcome
    forget_contained(state, contained)
    return outcome


def _open(account: Account, shadow: Shadow) -> None:
    """Take back what was done to the line of an account, and nothing that somebody else has done since."""
    unlock = shadow.locked and account.password_is_locked and account.digest != shadow.before
    expire = shadow.expire if account.expire == EXPIRED and shadow.expire != EXPIRED else None
    if unlock or expire is not None:
        run_usermod(open_argv(account, unlock=unlock, expire=expire))
