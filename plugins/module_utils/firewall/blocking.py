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
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.addresses import Address, Network
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.block_answer import answer_acting, answer_query, answer_unseen
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.block_ledger import Ledger, read_ledger, write_ledger
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
        return query_blocks(params, now.timestamp())
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


def query_blocks(params: Mapping[str, Any], now: float) -> dict[str, Any]:
    """Say what is blocked, by ``state_directory`` and ``return_all`` of the options; ``now`` in seconds since 1970."""
    try:
        ledger = read_ledger(Path(params["state_directory"]))
        kernel = kernel_table(now)
    except nftables.Unseen as exc:
        return answer_unseen(str(exc), exc.hint)
    except UpkeepError as exc:
        return answer_unseen(exc.message, "")
    drift = find_drift(ledger, kernel, now, find_operator().addresses)
    return answer_query(ledger, kernel, drift, now, return_all=params["return_all"])


def _act(params: Mapping[str, Any], wanted: list[Wanted], moment: datetime, *, check_mode: bool) -> dict[str, Any]:
    directory, now = Path(params["state_directory"]), moment.timestamp()
    try:
        kernel = kernel_table(now)
    except nftables.Unseen as exc:
        raise UpkeepError(f"{exc} {exc.hint}".strip()) from exc
    operators = find_operator().addresses
    plan = _plan(params, wanted, kernel, operators, now)
    text = ruleset(plan.table, now)
    if plan.changes_table:
        nftables.load(text, check_only=True)
    if not check_mode:
        apply_plan(directory, plan, text, operators, now)
    return answer_acting(plan, kernel, text, now, return_all=params["return_all"], done=not check_mode)


def _plan(
    params: Mapping[str, Any], wanted: list[Wanted], kernel: BlockTable | None, operators: set[Address], now: float
) -> BlockPlan:
    ledger = read_ledger(Path(params["state_directory"]))
    allow = read_allow(params, ledger)
    if params["state"] == "absent":
        networks: list[Network] | None = None if params["all"] else [one.network for one in wanted]
        return plan_release(networks, ledger=ledger, allow=allow, operators=operators, kernel=kernel, now=now)
    return plan_blocks(
        wanted, ledger=ledger, allow=allow, operators=operators, kernel=kernel, now=now, run_id=params["run_id"] or "",
        skip_refused=params["skip_refused"],
    )


def apply_plan(directory: Path, plan: BlockPlan, text: str, operators: set[Address], now: float) -> None:
    """Write the ledger, then the table: when killed in between, the next call sees what the kernel lacks.

    What is released leaves the ledger only when the kernel has let it go: otherwise the next call would find a block of nobody.

    :raises UpkeepError: when the kernel refused; the ledger is then as it was.
    """
    before = read_ledger(directory)
    first = _with_removed(plan) if plan.changes_table else plan.ledger
    if plan.changes_ledger:
        write_ledger(directory, first)
    if not plan.changes_table:
        return
    try:
        nftables.load(text)
    except UpkeepError:
        if plan.changes_ledger:
            write_ledger(directory, before)
        raise
    if first != plan.ledger:
        write_ledger(directory, plan.ledger)
    drift = find_drift(plan.ledger, kernel_table(now), now, operators)
    if drift.lost or drift.strays or drift.altered:
        raise UpkeepError(f"the table {TABLE} in the kernel is not what was loaded; something else changes it at the same time.")


def _with_removed(plan: BlockPlan) -> Ledger:
    removed = {entry.network: entry for entry in plan.removed}
    return Ledger(plan.ledger.allow, {**removed, **plan.ledger.entries})


def kernel_table(now: float) -> BlockTable | None:
    """Return the table of the kernel, or None.

    :raises Unseen: when nft does not show it, or it holds what ours never does.
    """
    objects = nftables.list_table(TABLE)
    try:
        return None if objects is None else read_table(objects, now)
    except (ValueError, KeyError, TypeError) as exc:
        raise nftables.Unseen(
            f"the table {TABLE} holds what this collection never writes there ({exc}).",
            hint=f"Look at it: nft list table inet {TABLE}. Deleting it releases everything.",
        ) from exc
