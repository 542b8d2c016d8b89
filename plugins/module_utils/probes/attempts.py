# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One attempt of a probe of any type: the type is loaded when it is needed, and what it meets becomes an outcome."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Callable

from ansible_collections.upkeep.runbook.plugins.module_utils.probes.deadline import Deadline
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.options import Probe
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.outcome import (
    Broken,
    Outcome,
    Previous,
    Unchecked,
    broken,
    graded_by_latency,
    graded_by_restarts,
    unchecked,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.processes import Unseen

ProbeFunction = Callable[[dict[str, Any], Deadline], Outcome]
TargetFunction = Callable[[dict[str, Any]], str]


def look_once(
    probe: Probe, restarts: Mapping[str, Previous] | None = None, clock: Callable[[], float] = time.monotonic
) -> Outcome:
    """Look once, for at most the ``timeout_seconds`` of the probe.

    :param restarts: restart counters of the last run, by the series of the probe.
    """
    target_of, look = functions_of(probe.type)
    options = probe.options
    try:
        outcome = look(options, Deadline(options["timeout_seconds"], clock))
    except Broken as problem:
        return broken(target_of(options), problem)
    except Unchecked as problem:
        return unchecked(target_of(options), problem)
    except Unseen as problem:
        return unchecked(target_of(options), Unchecked(str(problem), hint=problem.hint, permanent=True))
    outcome = graded_by_restarts(
        outcome,
        (restarts or {}).get(probe.series),
        options.get("warning_restarts"),
        options.get("critical_restarts"),
    )
    return graded_by_latency(outcome, options.get("warning_seconds"), options.get("critical_seconds"))


def functions_of(kind: str) -> tuple[TargetFunction, ProbeFunction]:
    """Return what names the target of a probe and what looks at it.

    Each import is written out, since Ansible packs for the target what it finds written.
    """
    if kind == "http":
        from ansible_collections.upkeep.runbook.plugins.module_utils.probes import http_exchange

        return http_exchange.target_of, http_exchange.probe_http
    if kind == "tcp":
        from ansible_collections.upkeep.runbook.plugins.module_utils.probes import tcp

        return tcp.target_of, tcp.probe_tcp
    if kind == "websocket":
        from ansible_collections.upkeep.runbook.plugins.module_utils.probes import websocket

        return websocket.target_of, websocket.probe_websocket
    if kind == "dns":
        from ansible_collections.upkeep.runbook.plugins.module_utils.probes import dns

        return dns.target_of, dns.probe_dns
    if kind == "command":
        from ansible_collections.upkeep.runbook.plugins.module_utils.probes import command

        return command.target_of, command.probe_command
    if kind == "port":
        from ansible_collections.upkeep.runbook.plugins.module_utils.probes import port

        return port.target_of, port.probe_port
    if kind == "process":
        from ansible_collections.upkeep.runbook.plugins.module_utils.probes import process

        return process.target_of, process.probe_process
    if kind == "unit":
        from ansible_collections.upkeep.runbook.plugins.module_utils.probes import unit

        return unit.target_of, unit.probe_unit
    if kind == "pm2":
        from ansible_collections.upkeep.runbook.plugins.module_utils.probes import pm2

        return pm2.target_of, pm2.probe_pm2
    raise ValueError(f"no probe type {kind}")
