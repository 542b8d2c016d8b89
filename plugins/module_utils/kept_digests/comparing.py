# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The baselines that an audit has met beside the digests that the report host keeps of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.accepting import ACCEPT_COMMAND
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import (
    CRITICAL,
    OK,
    UNKNOWN,
    WARNING,
    check_result,
    fold_ok,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.kept_digests.record import PARTS
from ansible_collections.upkeep.runbook.plugins.module_utils.registered_results import said_reason, says

CHECK = "baseline.digest"


def with_digest_checks(result: Any, kept: Any, by_hand: Mapping[str, Any]) -> Any:
    """Return the joined result of an audit with the checks of its baselines' digests.

    :param result: ``checks``, and by part what each call returned, as ``joined_result`` makes it.
    :param kept: what the call of ``baseline_digests`` registered; nothing when it was left out.
    :param by_hand: digests of the inventory, which are stronger: what is said there is not looked up.
    """
    if not isinstance(result, Mapping) or not isinstance(result.get("parts"), Mapping):
        return result
    found = {part: digest for part, digest in _found(result["parts"]).items() if not by_hand.get(part)}
    rows = fold_ok(_rows(found, kept)) if found else []
    return {**result, "checks": [*(result.get("checks") or []), *rows]}


def accepted_digests(parts: Mapping[str, Any]) -> dict[str, Any]:
    """Return what became of an acceptance: ``digests`` by part, and the parts ``unanswered``.

    A module that refuses has exchanged nothing. One that was lost with its host or killed may have.

    :param parts: by name what each call registered; nothing of one that was not made.
    """
    digests: dict[str, str] = {}
    unanswered = []
    for part, result in parts.items():
        if not result or says(result, "skipped"):
            continue
        if says(result, "failed") and not says(result, "unreachable") and not {"module_stdout", "module_stderr"} & set(result):
            continue
        digest = "" if says(result, "failed") or says(result, "unreachable") else digest_of(part, result)
        if digest:
            digests[part] = digest
        else:
            unanswered.append(part)
    return {"digests": digests, "unanswered": unanswered}


def digest_of(part: str, result: Mapping[str, Any]) -> str:
    """Return the digest of the baseline that the call of a part has met, '' when there was none."""
    place = result if part == "ports" else result.get("baseline")
    digest = place.get("digest") if isinstance(place, Mapping) else None
    return digest if isinstance(digest, str) else ""


def _found(parts: Mapping[str, Any]) -> dict[str, str]:
    """Return the digests of the parts that answered."""
    key = {"ports": "digest"}
    return {
        part: digest_of(part, parts[part])
        for part in PARTS
        if isinstance(parts.get(part), Mapping) and key.get(part, "baseline") in parts[part]
    }


def _rows(found: Mapping[str, str], kept: Any) -> list[dict[str, Any]]:
    record = kept.get("record") if isinstance(kept, Mapping) else None
    if not isinstance(record, Mapping):
        return [check_result(
            CHECK, "report host", UNKNOWN, f"The digests that are kept on the report host could not be read: {said_reason(kept)}.",
            hint="Until they can be, a baseline that somebody has exchanged is not told from an honest one.",
        )]  # fmt: skip
    rows = (_row(part, digest, record["digests"].get(part), record["pending"].get(part)) for part, digest in found.items())
    return [row for row in rows if row is not None]


def _row(part: str, digest: str, known: Mapping[str, str] | None, note: Mapping[str, str] | None) -> dict[str, Any] | None:
    """Return the check of one baseline; None when its module has said all: that there is none, or that it is another one."""
    if known and digest == known["sha256"]:
        return check_result(
            CHECK, part, OK, f"The baseline of {part} is the one that was accepted on {known['time']} ({known['reason']}).",
            evidence={"digest": digest, "run_id": known["run_id"]},
        )  # fmt: skip
    if note and digest:
        return check_result(
            CHECK, part, UNKNOWN,
            f"Whose baseline of {part} this is, nobody knows: run {note['run_id']} began to accept one on {note['time']}"
            f" ({note['reason']}), and its end was not seen.",
            hint=f"Look at what differs and at who was on the host since then, then accept again: {ACCEPT_COMMAND}",
            evidence={"digest": digest, "kept_digest": known["sha256"] if known else None},
        )  # fmt: skip
    if note and known:
        return check_result(
            CHECK, part, CRITICAL, f"The baseline of {part} is gone, and no acceptance removes one; it was accepted on {known['time']}.",
            hint="Find out who removed it; look at everything before you accept anew.", evidence={"kept_digest": known["sha256"]},
        )  # fmt: skip
    if digest and not known:
        return check_result(
            CHECK, part, WARNING, f"No digest of the baseline of {part} is kept on the report host: who is root on the host can exchange it.",
            hint=f"Where you trust it, accept it again, which keeps its digest: {ACCEPT_COMMAND}", evidence={"digest": digest},
        )  # fmt: skip
    return None
