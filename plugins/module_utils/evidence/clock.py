# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The clock of this host, which everything that it notes is dated by."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_UPTIME = Path("/proc/uptime")
_SYNCHRONIZED = Path("/run/systemd/timesync/synchronized")


def read_clock(now: float) -> dict[str, Any]:
    """Return the time as this host has it, in seconds since 1970, its zone, and since when it runs.

    ``synchronized`` is what systemd-timesyncd says: null when it has said nothing, or another program keeps the time.
    """
    zone = time.localtime(now)
    return {
        "time": now, "zone": zone.tm_zone, "utc_offset_seconds": zone.tm_gmtoff, "boot_id": _first(_BOOT_ID),
        "uptime_seconds": float(_first(_UPTIME).split()[0]) if _first(_UPTIME) else None,
        "synchronized": True if _SYNCHRONIZED.exists() else None,
    }


def _first(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""
