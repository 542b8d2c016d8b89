# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the module returns about blocked addresses: rows, figures, diff and checks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import OK, UNKNOWN, WARNING, check_result, fold_ok, worst_of
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.addresses import Network, shown_network
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.block_ledger import Entry, Ledger
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.block_planning import (
    FOUND_REASON,
    SLACK_SECONDS,
    BlockPlan,
    Drift,
    refused_rows,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.block_rules import TABLE, BlockTable, table_text

BLOCKED, LEDGER, REFUSED = "firewall.blocked", "firewall.ledger", "firewall.refused"
MAX_ROWS = 1000
MAX_DIFF_LINES = 2000
_NAMED = 5

Row = dict[str, Any]


def answer_unseen(reason: str, hint: str) -> Row:
    """Return the answer of a query that could not look."""
    checks = [check_result(BLOCKED, TABLE, UNKNOWN, f"Nobody can tell which addresses are blocked: {reason}", hint=hint)]
    return {"changed": False, "status": worst_of(checks), "checks": checks, "blocked": [], "totals": {}}


def answer_query(ledger: Ledger, kernel: BlockTable | None, drift: Drift, now: float, *, return_all: bool) -> Row:
    """Return what is blocked, and in what the kernel differs."""
    entries = [*ledger.lasting(now).values(), *_stray_entries(drift, now)]
    checks = [_blocked(entries, kernel, drift), *_drifted(drift, "Put that right: upkeep.runbook.ip_block with state=present.")]
    return {"changed": False, **_common(entries, kernel, drift, checks, return_all)}


def answer_acting(
    plan: BlockPlan, kernel: BlockTable | None, text: str, now: float, *, return_all: bool, done: bool
) -> Row:
    """Return what was done, or would be."""
    entries = list(plan.ledger.entries.values())
    mended = Drift() if done else plan.drift
    checks = [_blocked(entries, kernel, mended)]
    checks += _drifted(plan.drift, "It was put right." if done else "")
    checks += [
        check_result(REFUSED, row["address"], WARNING, f"{row['address']} is not blocked: {row['reason']}.")
        for row in refused_rows(plan.refused)
    ]
    checks += [
        check_result(BLOCKED, shown_network(network), WARNING if "still" in still else OK, f"{shown_network(network)} {still}.")
        for network, still in plan.missing[:MAX_ROWS]
    ]
    changed = plan.changes_table or plan.changes_ledger and bool(plan.added or plan.removed)
    before = "" if kernel is None else table_text(_settled(kernel, plan.table), now)
    after = "" if plan.table is None else table_text(plan.table, now)
    return {
        "changed": changed,
        **_common(entries, kernel, plan.drift, checks, return_all),
        "added": _rows(plan.added, return_all),
        "removed": _rows(plan.removed, return_all),
        "refused": refused_rows(plan.refused),
        "ruleset": _bounded(text) if plan.changes_table else "",
        "diff": {"before": _bounded(before), "after": _bounded(after)} if plan.changes_table else {"before": "", "after": ""},
    }


def _settled(kernel: BlockTable, planned: BlockTable | None) -> BlockTable:
    """Return the kernel's table with the planned ends where they are the same but for rounding: no lines of a diff."""
    wanted = planned.blocked if planned else {}

    def end(network: Network, found: float | None) -> float | None:
        other = wanted.get(network)
        return other if found is not None and other is not None and abs(found - other) <= SLACK_SECONDS else found

    return BlockTable({one: end(one, found) for one, found in kernel.blocked.items()}, kernel.allowed, kernel.counted)


def _common(entries: list[Entry], kernel: BlockTable | None, drift: Drift, checks: list[Row], return_all: bool) -> Row:
    dropped = kernel.dropped if kernel else None
    return {
        "status": worst_of(checks),
        "checks": fold_ok(checks, return_all=return_all),
        "blocked": _rows(entries, return_all),
        "totals": {
            "blocked": len(entries),
            "lost": len(drift.lost),
            "strays": len(drift.strays),
            "dropped_packets": dropped.packets if dropped else 0,
            "dropped_bytes": dropped.bytes if dropped else 0,
        },
    }


def _blocked(entries: list[Entry], kernel: BlockTable | None, drift: Drift) -> Row:
    if not entries:
        return check_result(BLOCKED, TABLE, OK, "No address is blocked.", value=0, unit="addresses")
    endless = sum(entry.expires is None for entry in entries)
    summary = f"{len(entries)} addresses and networks are blocked, {endless} of them without an end"
    if kernel is not None:
        summary += f"; {kernel.dropped.packets} packets were dropped"
    if drift.lost:
        summary = f"{len(entries)} addresses and networks should be blocked, {len(drift.lost)} of them are not"
    return check_result(BLOCKED, TABLE, WARNING if drift.lost else OK, summary + ".", value=len(entries), unit="addresses")


def _drifted(drift: Drift, hint: str) -> list[Row]:
    found = []
    if drift.lost:
        found.append(f"The kernel has lost {len(drift.lost)} blocks, as after a restart or a flush ({_names(drift.lost)})")
    if drift.strays:
        found.append(f"{len(drift.strays)} blocks were made by somebody else and have no reason ({_names(drift.strays)})")
    if drift.altered:
        found.append(f"The rules of {TABLE} are not those that belong there")
    return [check_result(LEDGER, TABLE, WARNING, ". ".join(found) + ".", hint=hint)] if found else []


def _names(networks: Iterable[Network]) -> str:
    listed = list(networks)
    more = f" and {len(listed) - _NAMED} more" if len(listed) > _NAMED else ""
    return ", ".join(map(shown_network, listed[:_NAMED])) + more


def _stray_entries(drift: Drift, now: float) -> list[Entry]:
    return [Entry(one, FOUND_REASON, now, end, 0 if end is None else round(end - now)) for one, end in drift.strays.items()]


def _rows(entries: list[Entry], return_all: bool) -> list[Row]:
    return [entry.row() for entry in (entries if return_all else entries[:MAX_ROWS])]


def _bounded(text: str) -> str:
    lines = text.splitlines(keepends=True)
    more = [f"... and {len(lines) - MAX_DIFF_LINES} more lines\n"] if len(lines) > MAX_DIFF_LINES else []
    return "".join([*lines[:MAX_DIFF_LINES], *more])
