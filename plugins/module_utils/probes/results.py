# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the module returns about its probes: check results, detail rows, and what goes into the history."""

from __future__ import annotations

from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import OK, UNKNOWN, check_result
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.options import Probe
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.outcome import Outcome
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain, plain_value


def probe_check(probe: Probe, outcome: Outcome) -> dict[str, Any]:
    """Return the check result of a probe; its value is the latency unless the type measures something else.

    Thresholds are there only for the latency: those for restarts have another unit than the value, and the summary
    names the one that was reached.
    """
    by_latency = "warning_seconds" in probe.options
    return check_result(
        f"service.{probe.type}",
        probe.name,
        outcome.status,
        outcome.summary,
        value=_rounded(outcome.latency_seconds) if by_latency else outcome.value,
        unit="s" if by_latency else outcome.unit,
        warning=probe.options.get("warning_seconds"),
        critical=probe.options.get("critical_seconds"),
        hint=next_step(probe, outcome) or None,
    )


def probe_row(probe: Probe, outcome: Outcome) -> dict[str, Any]:
    """Return the detail row of a probe, with everything that came from the target made plain."""
    row: dict[str, Any] = {
        "name": plain(probe.name, 300),
        "type": probe.type,
        "status": outcome.status,
        "latency_seconds": _rounded(outcome.latency_seconds),
        "summary": plain(outcome.summary, 500),
        **plain_value(outcome.details),
    }
    hint = next_step(probe, outcome)
    if hint:
        row["hint"] = plain(hint, 500)
    return row


def next_step(probe: Probe, outcome: Outcome) -> str:
    """Return how to go on; an empty text when all is well.

    Whoever wrote ``hint`` knows the service better than its type does. What keeps a probe from looking is no matter of
    the service: there the probe knows better. Where nobody said anything, the type knows how to look closer.
    """
    if outcome.status == OK:
        return ""
    given = probe.options["hint"] or ""
    known = outcome.hint or given if outcome.status == UNKNOWN else given or outcome.hint
    if known:
        return known
    from ansible_collections.upkeep.runbook.plugins.module_utils.probes.next_steps import look_closer

    return look_closer(probe.type, probe.options)


def _rounded(latency: float | None) -> float | None:
    return None if latency is None else round(latency, 6)
