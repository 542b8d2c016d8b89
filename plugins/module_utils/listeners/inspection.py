# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``port_baseline``: looks, compares, and accepts when it is asked to."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.accepting import ACCEPT_COMMAND, refuse_other_baseline
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import (
    CRITICAL,
    OK,
    UNKNOWN,
    check_result,
    fold_ok,
    worst_of,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.listeners.baseline import (
    FILE,
    Baseline,
    NoBaseline,
    digest_of,
    new_baseline,
    read_baseline,
    write_baseline,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.listeners.comparing import (
    Expected,
    compare_baseline,
    compare_expected,
    read_expected,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.listeners.listening import Listener, Look, look, rows
from ansible_collections.upkeep.runbook.plugins.module_utils.locking import LockOwner, exclusive_lock
from ansible_collections.upkeep.runbook.plugins.module_utils.processes import BECOME_HINT
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso

BASELINE = "port.baseline"
ACCEPT_HINT = f"Look at listeners of the result, then accept them: {ACCEPT_COMMAND}"
_MAX_LISTED = 500
_MAX_NAMED = 8


def inspect_ports(params: Mapping[str, Any], *, now: datetime, check_mode: bool) -> dict[str, Any]:
    """Return what the module returns.

    :raises UpkeepError: when an option is wrong, or what was asked for could not be accepted.
    """
    expected = read_expected(params["expected"])
    _refuse_wrong(params)
    directory = Path(params["state_directory"])
    try:
        seen = look(params["protocols"], ephemeral_udp=params["ephemeral_udp"])
    except OSError as exc:
        if params["accept"]:
            raise UpkeepError(f"nothing was accepted: the kernel does not show who listens ({exc.strerror})") from exc
        row = check_result(BASELINE, "listeners", UNKNOWN, f"The kernel does not show who listens: {exc.strerror}.")
        return _answer([row], Look([]), None, params, changed=False)
    if params["accept"]:
        return _accept(params, directory, seen, expected, now, check_mode)
    try:
        baseline, problem = read_baseline(directory), None
    except NoBaseline as exc:
        baseline, problem = None, exc
    checks = _checks(seen, baseline, problem, expected, params["expected_digest"], directory)
    return _answer(checks, seen, baseline, params, changed=False, expected=expected)


def _refuse_wrong(params: Mapping[str, Any]) -> None:
    if params["accept"] and not plain(params["reason"] or ""):
        raise UpkeepError("reason is missing; say why these listeners are accepted")
    if not params["protocols"]:
        raise UpkeepError("protocols is empty; give tcp, udp or both")


def _accept(
    params: Mapping[str, Any], directory: Path, seen: Look, expected: Sequence[Expected], now: datetime, check_mode: bool
) -> dict[str, Any]:
    """Make what is there the baseline, unless it is that already."""
    if seen.unowned:
        raise UpkeepError(f"nothing was accepted: the owners of {seen.unowned} listeners cannot be seen. {BECOME_HINT}")
    if seen.left_out:
        raise UpkeepError(f"nothing was accepted: there are {seen.left_out} listeners more than can be kept")
    try:
        before: Baseline | None = read_baseline(directory)
    except NoBaseline:
        before = None  # a damaged or forgeable one is replaced
    refuse_other_baseline(directory / FILE, before.digest if before else None, params["expected_digest"] or "")
    changed = before is None or list(before.listeners) != seen.listeners
    after = before
    if changed:
        data = new_baseline(seen.listeners, reason=plain(params["reason"], 300), now=now)
        if not check_mode:
            with exclusive_lock(directory / "lock", LockOwner(params["run_id"] or "-", "port_baseline", to_iso(now))):
                write_baseline(directory, data)
        after = Baseline(tuple(seen.listeners), to_iso(now), plain(params["reason"], 300), digest_of(data))
    checks = _checks(seen, after, None, expected, None, directory)
    diff = {"before": _text(before.listeners if before else ()), "after": _text(seen.listeners)}
    for side in ("before", "after"):
        diff[f"{side}_header"] = str(directory / FILE)
    return {**_answer(checks, seen, after, params, changed=changed, expected=expected), "diff": diff}


def _checks(
    seen: Look, baseline: Baseline | None, problem: NoBaseline | None, expected: Sequence[Expected], wanted: str | None,
    directory: Path,
) -> list[dict[str, Any]]:
    owners_known = not seen.unowned
    checks = [_baseline_check(seen, baseline, problem, wanted, directory)]
    if not owners_known:
        hint = BECOME_HINT if os.geteuid() else "They belong to processes that are kept even from root here."
        checks.append(check_result(
            BASELINE, "owners", UNKNOWN, f"The owners of {seen.unowned} listeners could not be seen, so that only addresses were compared.",
            value=seen.unowned, unit="count", hint=hint,
        ))
    if seen.left_out:
        checks.append(check_result(
            BASELINE, "further listeners", UNKNOWN, f"{seen.left_out} listeners were left out; there are too many.",
            value=seen.left_out, unit="count",
        ))
    checks += compare_expected(seen.listeners, expected, owners_known=owners_known)
    if baseline is not None:
        checks += compare_baseline(seen.listeners, baseline.listeners, expected, owners_known=owners_known)[0]
    return checks


def _baseline_check(
    seen: Look, baseline: Baseline | None, problem: NoBaseline | None, wanted: str | None, directory: Path
) -> dict[str, Any]:
    subject = str(directory / FILE)
    if baseline is None:
        why = str(problem)
        if wanted and problem is not None and problem.missing:
            return check_result(
                BASELINE, subject, CRITICAL, f"{subject} is gone, and the one of the expected digest was there.",
                hint="Find out who removed it. " + ACCEPT_HINT,
            )
        forgeable = problem is not None and problem.forgeable
        return check_result(
            BASELINE, subject, CRITICAL if forgeable else UNKNOWN, f"Listeners cannot be compared: {why}. {_everywhere(seen.listeners)}", hint=ACCEPT_HINT
        )
    if wanted and baseline.digest != wanted.lower():
        return check_result(
            BASELINE, subject, CRITICAL, f"{subject} is not the baseline of the expected digest: it was changed on this host.",
            hint="Find out who changed it before anything is accepted.", evidence={"digest": baseline.digest, "expected": wanted[:64]},
        )
    return check_result(
        BASELINE, subject, OK,
        f"{len(seen.listeners)} listeners were compared with those accepted {plain(baseline.accepted, 30)} "
        f"({plain(baseline.reason, 100)}). {_everywhere(seen.listeners)}",
        value=len(seen.listeners), unit="count",
    )


def _everywhere(listeners: Sequence[Listener]) -> str:
    ports: dict[str, None] = {}
    for one in listeners:
        if one.everywhere:
            names = ", ".join(dict.fromkeys(owner.process for owner in one.owners[:3]))
            ports[f"{one.protocol} {one.port}" + (f" ({names})" if names else "")] = None
    if not ports:
        return "None listens on all addresses."
    more = f" and {len(ports) - _MAX_NAMED} more" if len(ports) > _MAX_NAMED else ""
    return f"On all addresses: {', '.join(list(ports)[:_MAX_NAMED])}{more}."


def _answer(
    checks: list[dict[str, Any]], seen: Look, baseline: Baseline | None, params: Mapping[str, Any], *, changed: bool,
    expected: Sequence[Expected] = (),
) -> dict[str, Any]:
    names = compare_baseline(seen.listeners, baseline.listeners, expected, owners_known=not seen.unowned)[1] if baseline else {}
    return {
        "changed": changed,
        "status": worst_of(checks),
        "checks": fold_ok(checks, return_all=params["return_all"]),
        "listeners": rows(seen.listeners[:_MAX_LISTED]),
        "all_addresses": [one.subject for one in seen.listeners if one.everywhere][:_MAX_LISTED],
        "differences": {name: found[:_MAX_LISTED] for name, found in names.items()},
        "baseline": {
            "accepted": plain(baseline.accepted, 30), "reason": plain(baseline.reason, 300), "listeners": len(baseline.listeners),
        } if baseline else None,
        "digest": baseline.digest if baseline else None,
        "totals": {"listeners": len(seen.listeners) + seen.left_out, "ephemeral": seen.ephemeral, "without_owner": seen.unowned},
    }


def _text(listeners: Sequence[Listener]) -> str:
    return "".join(f"{one.subject}  {one.shown_owners}\n" for one in listeners)
