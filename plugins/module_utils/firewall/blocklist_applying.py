# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Blocking what lists hold: all lists are judged first, then the table of the kernel is replaced in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import OK, WARNING, check_result, fold_ok, worst_of
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall import nftables
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.addresses import shown_network
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.block_answer import answer_acting
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.block_ledger import read_ledger
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.block_planning import read_allow
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.block_rules import ruleset
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.blocking import apply_plan, kernel_table
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.blocklist_planning import ListPlan, plan_lists
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.blocklist_query import CHECK, query_lists
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.blocklist_record import Applied, read_applied, write_applied
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.blocklists import (
    Blocklist,
    read_blocklist,
    why_implausible,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.operators import find_operator
from ansible_collections.upkeep.runbook.plugins.module_utils.locking import CONTAINMENT_LOCK_FILE, LockOwner, exclusive_lock
from ansible_collections.upkeep.runbook.plugins.module_utils.option_ranges import refuse_out_of_range
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso

_RANGES = {"timeout_seconds": (0, 315_360_000), "max_change_percent": (0, 1_000_000), "lock_wait_seconds": (0, 86_400)}
_NAMED = 5

Row = dict[str, Any]


def apply_lists(params: Mapping[str, Any], *, now: datetime, check_mode: bool) -> Row:
    """Do what the options ask for and return what the module returns.

    :param params: the options of the module.
    :raises UpkeepError: when an option or a list is wrong, or the kernel's table cannot be changed.
    """
    refuse_out_of_range(params, _RANGES)
    lists = [read_blocklist(one["name"], one["content"]) for one in params["lists"]]
    _refuse_twice(lists)
    if params["state"] == "query":
        return query_lists(params, lists, now.timestamp())
    _refuse_invalid(lists, params["skip_invalid"])
    if check_mode:
        return _act(params, lists, now, check_mode=True)
    owner = LockOwner(params["run_id"] or "-", "ip_blocklist", to_iso(now))
    lock = Path(params["state_directory"]) / CONTAINMENT_LOCK_FILE
    with exclusive_lock(lock, owner, wait_seconds=params["lock_wait_seconds"]):
        return _act(params, lists, now, check_mode=False)


def _refuse_twice(lists: Sequence[Blocklist]) -> None:
    names = [one.name for one in lists]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UpkeepError(f"lists: {', '.join(twice)} is there twice; each list has a name of its own.")


def _refuse_invalid(lists: Sequence[Blocklist], skip_invalid: bool) -> None:
    wrong = [] if skip_invalid else [one for one in lists if one.mistakes]
    if wrong:
        told = "; ".join(f"{one.name}: {one.wrong_lines} of {one.lines} lines ({' '.join(one.mistakes[:_NAMED])})" for one in wrong)
        raise UpkeepError(
            f"lines of blocklists cannot be read: {told} Nothing was changed. With skip_invalid they are left out.",
            mistakes={one.name: list(one.mistakes) for one in wrong},
        )


def _refuse_implausible(lists: Sequence[Blocklist], sizes: Mapping[str, int], params: Mapping[str, Any]) -> None:
    reasons = [
        why_implausible(one.name, len(one.networks), sizes.get(one.name), params["max_change_percent"])
        for one in lists if one.name not in params["accept_change"]
    ]
    told = [reason for reason in reasons if reason]
    if told:
        raise UpkeepError(f"{'; '.join(told)}. Nothing was changed. If that is right, name the list in accept_change.")


def _act(params: Mapping[str, Any], lists: Sequence[Blocklist], moment: datetime, *, check_mode: bool) -> Row:
    directory, now = Path(params["state_directory"]), moment.timestamp()
    applied = read_applied(directory)
    _refuse_implausible(lists, {name: one.size for name, one in applied.items()}, params)
    try:
        kernel = kernel_table(now)
    except nftables.Unseen as exc:
        raise UpkeepError(f"{exc} {exc.hint}".strip()) from exc
    ledger, operators = read_ledger(directory), find_operator().addresses
    plan = plan_lists(
        lists, timeout_seconds=params["timeout_seconds"], ledger=ledger, allow=read_allow(params, ledger), operators=operators,
        kernel=kernel, now=now, run_id=params["run_id"] or "",
    )
    text = ruleset(plan.blocks.table, now)
    if plan.blocks.changes_table:
        nftables.load(text, check_only=True)
    if not check_mode:
        apply_plan(directory, plan.blocks, text, operators, now)
        # Last: a run that was killed before is repeated by the next, which compares with the same size as this one did.
        found = {one.name: Applied(len(one.networks), plan.owned[one.name]) for one in lists}
        if found != applied:
            write_applied(directory, found)
    answer = answer_acting(plan.blocks, kernel, text, now, return_all=params["return_all"], done=not check_mode)
    until = "without an end" if params["timeout_seconds"] == 0 else f"until {to_iso(moment + timedelta(seconds=params['timeout_seconds']))} at most"
    checks = [_applied(one, plan, until) for one in lists]
    return {
        **{key: answer[key] for key in ("added", "removed", "ruleset", "diff")},
        "changed": answer["changed"] or bool(plan.renewed),
        "status": worst_of(checks) if checks else OK,
        "checks": fold_ok(checks, return_all=params["return_all"]) or [check_result(CHECK, "lists", OK, "No list is applied.", value=0)],
        "lists": [_row(one, plan) for one in lists],
        "totals": {
            "blocked": answer["totals"]["blocked"], "added": len(plan.blocks.added), "removed": len(plan.blocks.removed), "renewed": plan.renewed,
        },
    }


def _applied(one: Blocklist, plan: ListPlan, until: str) -> Row:
    summary = f"{len(one.networks)} networks of {one.lines} lines are blocked {until}"
    spared = plan.spared[one.name]
    if plan.private[one.name]:
        summary += f"; {plan.private[one.name]} that nobody can block (loopback, multicast, wider than /8) are left out"
    if one.wrong_lines:
        summary += f"; {one.wrong_lines} lines cannot be read ({' '.join(one.mistakes[:_NAMED])})"
    if not spared and not one.wrong_lines:
        return check_result(CHECK, one.name, OK, f"{summary}.", value=len(one.networks), unit="networks")
    if spared:
        named = "; ".join(f"{shown_network(network)} {reason}" for network, reason in spared[:_NAMED])
        more = f" and {len(spared) - _NAMED} more" if len(spared) > _NAMED else ""
        summary = f"{len(spared)} networks of the list are not blocked: {named}{more}. {summary}"
    return check_result(
        CHECK, one.name, WARNING, f"{summary}.", value=len(one.networks), unit="networks",
        hint="Look whether the list is what it should be, and whether the address is really yours.",
    )


def _row(one: Blocklist, plan: ListPlan) -> Row:
    return {
        "name": one.name,
        "networks": len(one.networks),
        "lines": one.lines,
        "mistakes": list(one.mistakes),
        "spared": [{"address": shown_network(network), "reason": f"it {reason}"} for network, reason in plan.spared[one.name][:1000]],
        "left_out": plan.private[one.name],
    }
