# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a collection has taken and left out so far, and what that amounts to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import CRITICAL, OK, UNKNOWN, WARNING, check_result
from ansible_collections.upkeep.runbook.plugins.module_utils.figure_text import bytes_text
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

#: Kinds of what is left out that nobody meant to be, and how bad that is. The others are left out by rule, or were never there.
_GAPS = {"size": WARNING, "total": WARNING, "number": WARNING, "vanished": WARNING, "unreadable": UNKNOWN, "failed": UNKNOWN}
MAX_LISTED = 100_000
_MAX_TOLD = 100


@dataclass
class Tally:
    """What there is so far.

    :ivar artifacts: rows of the manifest.
    :ivar left_out: what was not taken: ``item``, ``path``, ``kind``, ``reason``.
    :ivar items: how each item ended: ``done``, ``failed`` or ``not begun``.
    :ivar uncounted: how many more were left out than are listed.
    """

    artifacts: list[dict[str, Any]] = field(default_factory=list)
    left_out: list[dict[str, Any]] = field(default_factory=list)
    items: dict[str, str] = field(default_factory=dict)
    uncounted: int = 0
    bytes: int = 0

    def leave_out(self, item: str, row: Mapping[str, Any]) -> None:
        """Note what is not taken; the row may come from the host.

        :raises KeyError: when it lacks its kind or its reason.
        """
        row = {**row, "kind": plain(str(row["kind"]), 20), "reason": plain(str(row["reason"]), 500)}
        if len(self.left_out) >= MAX_LISTED:
            self.uncounted += 1
            return
        self.left_out.append({"item": item, **row})

    def kinds(self) -> dict[str, int]:
        """Return how much was left out, by kind."""
        return dict(Counter(row["kind"] for row in self.left_out))

    @property
    def complete(self) -> bool:
        """Whether every item came to its end."""
        return bool(self.items) and set(self.items.values()) == {"done"}

    def gaps(self) -> list[dict[str, Any]]:
        """Return what is missing although nobody meant it to be, at most :data:`_MAX_TOLD`."""
        return [row for row in self.left_out if row["kind"] in _GAPS][:_MAX_TOLD]


def collected_check(tally: Tally, subject: str, manifest_sha256: str) -> dict[str, Any]:
    """Return ``evidence.collected``: is there a collection, and did every item come to its end?"""
    unfinished = [f"{item} ({ended})" for item, ended in tally.items.items() if ended != "done"]
    figures = {"manifest_sha256": manifest_sha256, "artifacts": len(tally.artifacts), "bytes": tally.bytes, "items": tally.items}
    if unfinished:
        return check_result(
            "evidence.collected", subject, CRITICAL, f"The evidence is incomplete: {', '.join(unfinished)}.", value=len(unfinished),
            unit="count", hint="Mend what the reasons name, and collect again; what is there stays.", evidence=figures,
        )
    return check_result(
        "evidence.collected", subject, OK,
        f"{len(tally.artifacts)} files with {bytes_text(tally.bytes)} were collected and are whole.", value=len(tally.artifacts),
        unit="count", evidence=figures,
    )


def complete_check(tally: Tally, subject: str) -> dict[str, Any]:
    """Return ``evidence.complete``: is something missing that nobody meant to leave out, or was a file changed while it was read?"""
    counts = {kind: count for kind, count in tally.kinds().items() if kind in _GAPS}
    changed = [row for row in tally.artifacts if row.get("change") not in (None, "", "grew")]
    if not counts and not changed and not tally.uncounted:
        return check_result("evidence.complete", subject, OK, "Nothing is missing but what the rules leave out.", value=0, unit="count")
    status = UNKNOWN if tally.uncounted or any(_GAPS[kind] == UNKNOWN for kind in counts) else WARNING
    said = [f"{count} {kind}" for kind, count in sorted(counts.items())]
    said += [f"{len(changed)} changed while they were read"] if changed else []
    first = (tally.gaps() or changed)[0]
    return check_result(
        "evidence.complete", subject, status,
        f"Not everything is as it was asked for: {', '.join(said)}; the first is {first.get('path', '')} ({first.get('reason', 'changed')}).",
        value=sum(counts.values()) + len(changed), unit="count",
        hint="The manifest lists all with their reasons. Raise the limits, or become root, and collect again.", evidence={"kinds": counts},
    )


def clock_check(clock: Mapping[str, Any] | None, subject: str, warning_seconds: float) -> dict[str, Any]:
    """Return ``evidence.clock``: by how much the clock of the host differs from that of the controller."""
    if not clock:
        return check_result("evidence.clock", subject, UNKNOWN, "The clock of the host was not read, so times of its logs cannot be set right.")
    offset, by = float(clock["offset_seconds"]), float(clock["uncertainty_seconds"])
    status = OK if abs(offset) + by < warning_seconds else WARNING if abs(offset) - by >= warning_seconds else UNKNOWN
    hint = {
        WARNING: "Subtract this from times in its logs to compare them with those of other hosts.",
        UNKNOWN: "The host answers too slowly to know its clock better; raise clock_warning_seconds, or collect again.",
    }
    return check_result(
        "evidence.clock", subject, status,
        f"The clock of the host differs by {offset:.2f} s from that of the controller (known to {by:.2f} s; warning from "
        f"{warning_seconds:g} s).", value=round(offset, 3), unit="s", warning=warning_seconds, hint=hint.get(status),
    )
