# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The whole call: options in, probes run, history kept, results out."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import fold_ok, worst_of
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.probes import option_values as values
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.attempts import functions_of, look_once
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.options import read_probes
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.remembering import (
    Recalled,
    Uptime,
    previous_restarts,
    remember,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.results import probe_check, probe_row
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.schedule import run_probes

#: What the options of the call itself may be; those of a probe have a table of their own.
_CALL = {"wait_seconds": values.number(0, 86400), "concurrency": values.whole(1, 1000)}


def examine(params: dict[str, Any], *, now: datetime, check_mode: bool) -> dict[str, Any]:
    """Run the probes of the module's options and return the result of the module.

    :param now: the moment at which the findings are stored.
    :param check_mode: the history is read and not written.
    :raises UpkeepError: when an option is wrong.
    """
    _check_call(params)
    probes = read_probes(params["probes"], params["secret_headers"] or {})
    path = Path(params["history"]) if params["history"] else None
    for kind in {probe.type for probe in probes}:
        functions_of(kind)  # Python 3.9 does not let threads wait for each other's imports from Ansible's archive
    restarts = previous_restarts(path, probes, now) if path else {}
    outcomes = run_probes(
        probes,
        lambda probe: look_once(probe, restarts),
        wait_seconds=params["wait_seconds"],
        concurrency=params["concurrency"],
    )
    recalled = remember(path, probes, outcomes, now, read_only=check_mode) if path else Recalled()
    checks = [probe_check(probe, outcome) for probe, outcome in zip(probes, outcomes)] + recalled.checks
    rows = [
        {**probe_row(probe, outcome), "uptime": recalled.uptime.get((probe.type, probe.name), {})}
        for probe, outcome in zip(probes, outcomes)
    ]
    return {
        "changed": False,
        "status": worst_of(checks),
        "checks": fold_ok(checks, return_all=params["return_all"]),
        "probes": rows,
        "series": recalled.series,
        "uptime": uptime_by_name(recalled.uptime),
    }


def _check_call(params: dict[str, Any]) -> None:
    for name, convert in _CALL.items():
        try:
            convert(params[name])
        except ValueError as exc:
            raise UpkeepError(f"{name} {exc}") from None


def uptime_by_name(uptime: dict[tuple[str, str], Uptime]) -> dict[str, Uptime]:
    """Return the uptime of each name; where probes of several types share one, that of the worst of them."""
    merged: dict[str, Uptime] = {}
    for (_kind, name), shares in uptime.items():
        known = merged.setdefault(name, dict.fromkeys(shares))
        for label, share in shares.items():
            shown = known[label]
            known[label] = share if shown is None else shown if share is None else min(shown, share)
    return merged
