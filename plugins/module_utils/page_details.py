# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the page shows beside the checks: sparklines, uptime and processes, read from the results that roles registered.

Whatever is absent or malformed is left out: the checks do not depend on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.figure_text import figure_text
from ansible_collections.upkeep.runbook.plugins.module_utils.sparklines import read_series, sparkline
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

MAX_PROCESSES = 20
_MAX_SERIES = 200

Uptime = dict[str, "float | None"]


def trends(result: Any) -> dict[str, dict[str, Any]]:
    """Return the sparklines of a result by the name of their series."""
    listed = result.get("series") if isinstance(result, Mapping) else None
    if not isinstance(listed, Sequence) or isinstance(listed, (str, bytes)):
        return {}
    found = [read for read in map(read_series, listed[:_MAX_SERIES]) if read is not None]
    return {name: sparkline(points, unit) for name, unit, points in found}


def trend(check: Mapping[str, Any], drawn: Mapping[str, dict[str, Any]]) -> dict[str, Any] | None:
    """Return the sparkline that belongs to a check.

    Series are named ``disk.space:/var`` (check and subject), ``http frontend`` (kind of service and name) or, when a
    host has only one subject, ``memory.usage``.
    """
    kind = check["check"].rpartition(".")[2]
    for name in (f"{check['check']}:{check['subject']}", f"{kind} {check['subject']}", check["check"]):
        if name in drawn:
            return drawn[name]
    return None


def uptime(result: Any) -> dict[str, Uptime]:
    """Return the share of time that a service was up, in percent, by its name."""
    if not isinstance(result, Mapping):
        return {}
    by_name = result.get("uptime")
    found = dict(by_name) if isinstance(by_name, Mapping) else {}
    # Where probes of several types share a name, each has an uptime of its own.
    probes = result.get("probes")
    for probe in probes if isinstance(probes, Sequence) and not isinstance(probes, (str, bytes)) else ():
        if isinstance(probe, Mapping) and probe.get("uptime"):
            found[f"{probe.get('type')} {probe.get('name')}"] = probe["uptime"]
    return {
        plain(str(name), 400): {period: percent(shares.get(period)) for period in ("1d", "7d", "30d")}
        for name, shares in found.items() if isinstance(shares, Mapping)
    }


def uptime_of(check: Mapping[str, Any], known: Mapping[str, Uptime]) -> list[dict[str, str]]:
    if not check["check"].startswith("service."):
        return []
    kind = check["check"].rpartition(".")[2]
    shares = known.get(f"{kind} {check['subject']}") or known.get(check["subject"])
    if not shares or all(share is None for share in shares.values()):
        return []
    names = {"1d": "1 day", "7d": "7 days", "30d": "30 days"}
    return [
        {"period": names[period], "short": period, "text": "no data" if share is None else share_text(share)}
        for period, share in shares.items()
    ]


def share_text(share: float) -> str:
    """Return ``99.95 %``, rounded down: only what was never down says 100 %."""
    if share >= 100:
        return "100 %"
    return f"{int(share * 100) / 100:.2f}".rstrip("0").rstrip(".") + " %"


def percent(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 100:
        return None
    return float(value)


def processes(result: Any) -> list[dict[str, str]]:
    listed = result.get("top_processes") if isinstance(result, Mapping) else None
    if not isinstance(listed, Sequence) or isinstance(listed, (str, bytes)):
        return []
    return [
        {
            "name": plain(str(process.get("name") or "?"), 120),
            "pid": plain(str(process.get("pid") or ""), 20),
            "user": plain(str(process.get("user") or ""), 60),
            "unit": plain(str(process.get("unit") or ""), 100),
            "cpu": figure_text(_number(process.get("cpu_percent")), "percent"),
            "memory": figure_text(_number(process.get("pss_bytes")) or _number(process.get("rss_bytes")), "bytes"),
        }
        for process in listed[:MAX_PROCESSES] if isinstance(process, Mapping)
    ]


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
