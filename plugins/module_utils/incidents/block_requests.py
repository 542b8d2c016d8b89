# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is to be blocked in an incident, as somebody types it, and which blocks belong to an incident."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

_MAX_REASON = 200


def named(value: Any) -> list[Any]:
    """Return a list, or the parts of a text with commas, as it comes from a command line or a survey."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return list(value or [])


def block_requests(wanted: Any, incident: str) -> list[dict[str, Any]]:
    """Return entries for ``ip_block``, whose reason begins with the incident, so that a release finds them.

    :param wanted: addresses, as a list or a text with commas; one may also be a dictionary with ``address``, ``reason`` and
        ``timeout_seconds``.
    """
    entries = []
    for item in named(wanted):
        entry = dict(item) if isinstance(item, Mapping) else {"address": str(item)}
        why = str(entry.get("reason") or "")
        entries.append({**entry, "reason": f"{incident}: {why}"[:_MAX_REASON] if why else incident})
    return entries


def of_incident(rows: Iterable[Mapping[str, Any]], incident: str, key: str) -> list[str]:
    """Return the addresses or users of those rows whose reason is the incident.

    :param key: ``address`` or ``user``.
    """
    return [str(row[key]) for row in rows if is_of(str(row.get("reason") or ""), incident)]


def is_of(reason: str, incident: str) -> bool:
    """Tell whether a reason names an incident; ``INC-4`` is not ``INC-42``."""
    return reason == incident or reason.startswith(f"{incident}: ")
