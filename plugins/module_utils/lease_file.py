# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The file of a lease: read, and renewed for the run that holds it whenever one of its modules has worked under the lock."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.atomic_files import write_atomically
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import from_iso, to_iso

LEASE_FILE = "lease.json"
#: The lock of the host, under which leases are taken, renewed and given back.
LOCK_FILE = "lock"
#: Renewed when this part of it is gone: a step of a second need not write a file.
_WORTH_IT = 0.1


def read_lease(directory: Path) -> dict[str, Any] | None:
    """Return the lease file's content; None when there is none or it is damaged (nobody can be held to it)."""
    try:
        content = json.loads((directory / LEASE_FILE).read_bytes())
    except FileNotFoundError:
        return None
    except ValueError:
        return None
    except OSError as exc:
        raise UpkeepError(f"cannot read the lease {directory / LEASE_FILE}: {exc.strerror}") from exc
    return content if isinstance(content, dict) else None


def renewed(lease: dict[str, Any] | None, run_id: str, now: datetime) -> dict[str, Any] | None:
    """Return the lease with a new end, or None when there is nothing to renew.

    :param lease: as it stands.
    :param run_id: of the run that has worked; the lease of another one is never touched.
    """
    if lease is None or lease.get("run_id") != run_id:
        return None
    seconds = lease.get("ttl_seconds")
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds <= 10**9:
        return None
    end = now + timedelta(seconds=seconds)
    try:
        if end - from_iso(str(lease.get("expires"))) < timedelta(seconds=seconds * _WORTH_IT):
            return None
    except ValueError:
        return None
    return {**lease, "expires": to_iso(end)}


def renew_lease(directory: Path, run_id: str, now: datetime) -> None:
    """Renew the lease of a run; the caller holds the lock of the host.

    What keeps that from being written does not concern what the caller has done: the lease then ends when it would have.
    """
    try:
        lease = renewed(read_lease(directory), run_id, now)
        if lease is not None:
            write_atomically(directory / LEASE_FILE, json.dumps(lease).encode())
    except UpkeepError:
        pass
