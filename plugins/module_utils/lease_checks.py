# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a lease tells about the runs before and beside this one, as check results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import OK, WARNING, check_result
from ansible_collections.upkeep.runbook.plugins.module_utils.leases import Lease

CHECK = "host.lease"


def check_held(path: Path, lease: Lease) -> dict[str, Any]:
    """Return the check for a lease that this run holds now; an expired one that it replaced is a warning."""
    other = lease.taken_over
    if other is None:
        return check_result(CHECK, str(path), OK, f"This run has the host to itself until {lease.content['expires']}.")
    if lease.told:
        text = f"This run has the host to itself until {lease.content['expires']}; it took over from {_run(other)}, as it was told."
        return check_result(CHECK, str(path), OK, text, evidence={"taken_over": other})
    return check_result(
        CHECK,
        str(path),
        WARNING,
        f"Took over the lease of {_run(other)}, which ended at {other.get('expires')} or with a reboot: that run did not end well.",
        hint="Look at what that run left half done on this host before you rely on it.",
        evidence={"taken_over": other},
    )


def check_released(path: Path, other: dict[str, Any] | None) -> dict[str, Any]:
    """Return the check for a lease that was given back.

    :param other: the lease of another run that was found instead of this run's own, or None.
    """
    if other is None:
        return check_result(CHECK, str(path), OK, "Other procedures may work on the host again.")
    return check_result(
        CHECK,
        str(path),
        WARNING,
        f"The lease belongs to {_run(other)} by now: this run took longer than its lease, or never held it.",
        hint="Give the procedure a longer lease (ttl_seconds), and look whether the two runs disturbed each other.",
        evidence={"holder": other},
    )


def _run(lease: dict[str, Any]) -> str:
    return f"run {lease.get('run_id')} of {lease.get('playbook')}"
