# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Blocking addresses: look, decide, write down why, and change the kernel's table in one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall import nftables
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.addresses import Network
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.block_answer import answer_acting, answer_query, answer_unseen
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.block_ledger import read_ledger, write_ledger
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.block_planning import (
    BlockPlan,
    Wanted,
    find_drift,
    plan_blocks,
    plan_release,
    read_allow,
    read_wanted,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.block_rules import (
    TABLE,
    BlockTable,
    read_table,
    ruleset,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.operators import find_operator
from ansible_collections.upkeep.runbook.plugins.module_utils.locking import CONTAINMENT_LOCK_FILE, LockOwner, exclusive_lock
from ansible_collections.upkeep.runbook.plugins.module_utils.option_ranges import refuse_out_of_range
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso


def block_addresses(params: Mapping[str, Any], *, now: datetime, check_mode: bool) -> dict[str, Any]:
    """Do what the options ask for and return what the module returns.

    :param params: the options of the module.
    :raises UpkeepError: when the options are wrong, something is refused, or the kernel's table cannot be changed.
    """
    refuse_out_of_range(params, {"lock_wait_seconds": (0, 86_400)})
    wanted = _request(params)
    if params["state"] == "query":
        return _query(params, now.timestamp())
    if check_mode:
        return _act(params, wanted, now, check_mode=True)
    owner = LockOwner(params["run_id"] or "-", "ip_block", to_iso(now))
    lock = Path(params["state_directory"]) / CONTAINMENT_LOCK_FILE
    with exclusive_lock(lock, owner, wait_seconds=params["lock_wait_seconds"]):
        return _act(params, wanted, now, check_mode=False)


def _request(params: Mapping[str, Any]) -> list[Wanted]:
    wanted = read_wanted(params)
    if params["all"] and (wanted or params["state"] != "absent"):
        raise UpkeepError("all: it releases every address, so it goes with state=absent and without address and entries.")
    if params["state"] == "absent" and not wanted and not params["all"]:
        raise UpkeepError("address, entries: name what is to be released, or give all=true.")
    return wanted


def _query(params: Mapping[str, Any], now: float) -> dict[str, Any]:
    try:
        ledger = read_ledger(Path(params["state_directory"]))
        kernel = _kernel(now)
    except nftables.Unseen as exc:
        return answer_unseen(str(exc), exc.hint)
    except UpkeepError as exc:
        return answer_unseen(exc.message, "")
    return answer_query(ledger, kernel, find_drift(ledger, kernel, now), now, return_all=params["return_all"])


def _act(params: Mapping[str, Any], wanted: list[Wanted], moment: datetime, *, check_mode: bool) -> dict[str, Any]:
    directory, now = Path(params["state_directory"]), moment.timestamp()
    try:
        kernel = _kernel(now)
    except nftables.Unseen as exc:
        raise UpkeepError(f"{exc} {exc.hint}".strip()) from exc
    plan = _plan(params, wanted, kernel, now)
    text = ruleset(plan.table, now)
    if plan.changes_table:
        nftables.load(text, check_only=True)
    if not check_mode:
        _apply(directory, plan, text, now)
    return answer_acting(plan, kernel, text, now, return_all=params["return_all"], done=not check_mode)


def _plan(params: Mapping[str, Any], wanted: list[Wanted], kernel: BlockTable | None, now: float) -> BlockPlan:
    ledger = read_ledger(Path(params["state_directory"]))
    allow, operators = read_allow(params, ledger), find_operator().addresses
    if params["state"] == "absent":
        networks: list[Network] | None = None if params["all"] else [one.network for one in wanted]
        return plan_release(networks, ledger=ledger, allow=allow, operators=operators, kernel=kernel, now=now)
    return plan_blocks(
        wanted, ledger=ledger, allow=allow, operators=operators, kernel=kernel, now=now, run_id=params["run_id"] or "",
        skip_refused=params["skip_refused"],
    )


def _apply(directory: Path, plan: BlockPlan, text: str, now: float) -> None:
    """Write the ledger, then the table: when killed in between, the next call sees what the kernel lacks.

    :raises UpkeepError: when the kernel refused; the ledger is then as it was.
    """
    before = read_ledger(directory)
    if plan.changes_ledger:
        write_ledger(directory, plan.ledger)
    if not plan.changes_table:
        return
    try:
        nftables.load(text)
    except UpkeepError:
        if plan.changes_ledger:
            write_ledger(directory, before)
        raise
    drift = find_drift(plan.ledger, _kernel(now), now)
    if drift.lost or drift.strays or drift.altered:
        raise UpkeepError(f"the table {TABLE} in the kernel is not what was loaded; something else changes it at the same time.")


def _kernel(now: float) -> BlockTable | None:
    objects = nftables.list_table(TABLE)
    try:
        return None if objects is None else read_table(objects, now)
    except (ValueError, KeyError, TypeError) as exc:
        raise nftables.Unseen(
            f"the table {TABLE} holds what this collection never writes there ({exc}).",
            hint=f"Look at it: nft list table inet {TABLE}. Deleting it releases everything.",
        ) from exc
