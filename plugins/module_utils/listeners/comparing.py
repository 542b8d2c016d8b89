# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Listeners as they are, as they were accepted, and as the platform describes them: what differs, as check results."""

from __future__ import annotations

import ipaddress
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import CRITICAL, OK, WARNING, check_result
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.listeners.listening import Listener, Owner
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

UNEXPECTED, MISSING, CHANGED = "port.unexpected", "port.missing", "port.changed"
ANYBODY = "anybody"
MAX_ROWS = 50
_WHO = "See who it is: ss -tulpn. "
_ACCEPT_HINT = _WHO + "If it is meant to be, accept it with a reason; if not, isolate the host: upkeep.runbook.security_incident --tags isolate"


@dataclass(frozen=True)
class Expected:
    """A listener of the platform. :ivar process: glob of its title, program or path."""

    port: int
    protocol: str
    address: str | None
    process: str | None
    unit: str | None
    user: str | None

    @property
    def subject(self) -> str:
        """What identifies it to people."""
        return f"{self.protocol} {self.address or '*'}:{self.port}"

    @property
    def owner(self) -> str:
        """Who should hold it, for people."""
        parts = (("process", self.process), ("unit", self.unit), ("user", self.user))
        return ", ".join(f"{name} {value}" for name, value in parts if value) or ANYBODY

    def is_at(self, listener: Listener) -> bool:
        """Tell whether a listener is where this one is expected."""
        return (
            (self.protocol, self.port) == (listener.protocol, listener.port) and self.address in (None, listener.address)
        )

    def is_held_by(self, listener: Listener) -> bool:
        """Tell whether the expected program is one of those that hold a listener."""
        return self.owner == ANYBODY or any(self._is(owner) for owner in listener.owners)

    def strangers(self, listener: Listener) -> list[Owner]:
        """Return who else holds a listener: other programs than the expected one and its workers, and than systemd."""
        if self.owner == ANYBODY:
            return []
        programs = {owner.executable for owner in listener.owners if self._is(owner)}
        return [owner for owner in listener.owners if owner.executable not in programs and not owner.hands_over]

    def _is(self, owner: Owner) -> bool:
        names = (owner.process, owner.executable, posixpath.basename(owner.executable))
        unit = self.unit if self.unit is None or "." in self.unit else f"{self.unit}.service"
        return (
            (self.process is None or any(fnmatchcase(name, self.process) for name in names))
            and unit in (None, owner.unit)
            and self.user in (None, owner.user)
        )


def read_expected(given: Sequence[Mapping[str, Any]]) -> list[Expected]:
    """Return what the platform expects.

    :raises UpkeepError: naming the one that is not understood.
    """
    found = []
    for index, item in enumerate(given):
        if not 1 <= item["port"] <= 65535:
            raise UpkeepError(f"expected[{index}].port: {item['port']} is not accepted; give 1 to 65535")
        address = item.get("address")
        if address is not None:
            try:
                address = str(ipaddress.ip_address(address))
            except ValueError:
                raise UpkeepError(f"expected[{index}].address: {plain(address, 60)!r} is no address") from None
        owner = (item.get("process"), item.get("unit"), item.get("user"))
        found.append(Expected(item["port"], item.get("protocol") or "tcp", address, *owner))
    return found


def compare_expected(now: Sequence[Listener], expected: Sequence[Expected], *, owners_known: bool) -> list[dict[str, Any]]:
    """Return the checks of what the platform expects: one for each place, and one for each listener with a wrong owner."""
    checks: dict[str, dict[str, Any]] = {}
    wrong: dict[str, dict[str, Any]] = {}
    for one in expected:
        at = [listener for listener in now if one.is_at(listener)]
        if not at:
            checks[one.subject] = check_result(
                MISSING, one.subject, CRITICAL, f"Nobody listens at {one.subject}, where {one.owner} is expected.",
                hint="See whether the service runs: ansible-playbook upkeep.runbook.health_check",
            )
            continue
        checks.setdefault(one.subject, check_result(MISSING, one.subject, OK, f"{one.subject} is held by {at[0].shown_owners}."))
        for listener in at if owners_known else ():
            # Several entries may share a port; one of them must be the right one.
            fellows = [fellow for fellow in expected if fellow.is_at(listener)]
            if not any(fellow.is_held_by(listener) for fellow in fellows):
                owners = " or ".join(dict.fromkeys(fellow.owner for fellow in fellows))
                wrong[listener.subject] = check_result(
                    UNEXPECTED, listener.subject, CRITICAL,
                    f"{listener.subject} is held by {listener.shown_owners}; {owners} is expected there.", hint=_WHO.strip(),
                )
                continue
            # With SO_REUSEPORT another program of the same user may take a share of the connections.
            strangers = [owner for owner in one.strangers(listener) if all(owner in fellow.strangers(listener) for fellow in fellows)]
            if strangers:
                also = " and ".join(owner.shown for owner in strangers[:5])
                wrong[listener.subject] = check_result(
                    UNEXPECTED, listener.subject, WARNING,
                    f"{listener.subject} is held by {one.owner}, as expected, and also by {also}.", hint=_WHO.strip(),
                )
    return [*checks.values(), *wrong.values()]


def compare_baseline(
    now: Sequence[Listener], before: Sequence[Listener], expected: Sequence[Expected], *, owners_known: bool
) -> tuple[list[dict[str, Any]], dict[str, list[str]]]:
    """Return the checks of what differs from the baseline, and the names of what is new, gone and changed.

    A port that left one address and came up at another has changed; it is not both new and gone.
    """
    present, accepted = {one.key: one for one in now}, {one.key: one for one in before}
    new = [one for key, one in present.items() if key not in accepted]
    gone = [one for key, one in accepted.items() if key not in present]
    checks: list[dict[str, Any]] = []
    names: dict[str, list[str]] = {"new": [], "gone": [], "changed": []}
    for one in new:
        moved = next((old for old in gone if (old.protocol, old.port) == (one.protocol, one.port)), None)
        if moved is not None:
            gone.remove(moved)
            names["changed"].append(one.subject)
            checks.append(_moved(moved, one, _owner_changed(moved, one) if owners_known else None))
        elif not any(known.is_at(one) for known in expected):
            names["new"].append(one.subject)
            checks.append(_unexpected(one))
    for one in gone:
        if not any(known.is_at(one) for known in expected):
            names["gone"].append(one.subject)
            checks.append(check_result(
                MISSING, one.subject, WARNING,
                f"{one.subject} was held by {one.shown_owners} when the baseline was accepted, and nobody listens there now.",
                hint="Start it again, or accept that it is gone, with a reason.",
            ))
    for key, one in present.items():
        changed = _owner_changed(accepted[key], one) if key in accepted and owners_known else None
        if changed:
            names["changed"].append(one.subject)
            checks.append(changed)
    same = sum(present[key].subject not in names["changed"] for key in present.keys() & accepted.keys())
    if same > 0:
        checks.append(check_result(
            CHANGED, "listeners", OK, f"{same} listeners are as they were accepted.", value=same, unit="count",
        ))
    return _bounded(checks), names


def _unexpected(one: Listener) -> dict[str, Any]:
    where = "from this host only" if one.local else "on all addresses" if one.everywhere else "from outside"
    return check_result(
        UNEXPECTED, one.subject, WARNING if one.local else CRITICAL,
        f"{one.subject} is new: {one.shown_owners} listens there, reachable {where}." if not one.everywhere
        else f"{one.subject} is new: {one.shown_owners} listens there, {where}.",
        hint=_ACCEPT_HINT, evidence=_evidence(one),
    )


def _moved(old: Listener, new: Listener, other_owner: dict[str, Any] | None) -> dict[str, Any]:
    """Return the check of a port at another address; that it has another owner, too, is the same trouble."""
    wider = (old.local and not new.local) or (new.everywhere and not old.everywhere)
    status = CRITICAL if wider or (other_owner and other_owner["status"] == CRITICAL) else WARNING
    return check_result(
        CHANGED, new.subject, status,
        f"{new.protocol} port {new.port} was bound to {old.address} by {old.shown_owners} when it was accepted, "
        f"and is bound to {new.address} "
        + (f"by {new.shown_owners} " if other_owner else "") + ("now, where more can reach it." if wider else "now."),
        hint=_ACCEPT_HINT, evidence=_evidence(new),
    )


def _owner_changed(old: Listener, new: Listener) -> dict[str, Any] | None:
    added, gone = set(new.owners) - set(old.owners), set(old.owners) - set(new.owners)
    if any(owner.hands_over for owner in old.owners) and any(owner.hands_over for owner in new.owners):
        # systemd holds the socket, and starts its service when somebody calls: who else holds it has it from systemd.
        added = {owner for owner in added if owner.unit is None and not owner.hands_over}
    if not added and (not gone or new.owners):
        return None  # a worker fewer is no other owner
    programs = {(owner.executable, owner.user) for owner in old.owners}
    other = any((owner.executable, owner.user) not in programs for owner in added) or not new.owners
    return check_result(
        CHANGED, new.subject, CRITICAL if other else WARNING,
        f"{new.subject} was held by {old.shown_owners} when it was accepted, and is held by {new.shown_owners} now.",
        hint=_ACCEPT_HINT, evidence={**_evidence(new), "accepted": [owner.executable for owner in old.owners[:5]]},
    )


def _evidence(one: Listener) -> dict[str, Any]:
    return {"executables": [owner.executable for owner in one.owners[:5]], "all_addresses": one.everywhere}


def _bounded(checks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    problems = [row for row in checks if row["status"] != OK]
    if len(problems) <= MAX_ROWS:
        return checks
    problems.sort(key=lambda row: row["status"] != CRITICAL)
    rest = problems[MAX_ROWS:]
    worst = CRITICAL if any(row["status"] == CRITICAL for row in rest) else WARNING
    further = check_result(
        UNEXPECTED, "further listeners", worst, f"{len(rest)} further differences are not listed.",
        value=len(rest), unit="count", hint=_ACCEPT_HINT,
    )
    return [*problems[:MAX_ROWS], further, *(row for row in checks if row["status"] == OK)]
