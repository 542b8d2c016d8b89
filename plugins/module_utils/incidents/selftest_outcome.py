# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether the alarm rings: what became of a block, of a file that was tampered with, and of a message, as check results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import CRITICAL, OK, UNKNOWN, check_result
from ansible_collections.upkeep.runbook.plugins.module_utils.registered_results import said_reason, says
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

BLOCK, FILES, ALERT = "block", "files", "alert"
PARTS = (BLOCK, FILES, ALERT)
_HINTS = {
    BLOCK: "Look at the rules before ours: nft list ruleset. An address that is translated on its way is another one for the host.",
    FILES: "See what is left out (security.integrity.exclude), and accept a baseline: ansible-playbook upkeep.runbook.security_accept",
    ALERT: "Ring each channel by name: ansible-playbook upkeep.runbook.notify_test",
}

Results = Mapping[str, Any]


def selftest_outcome(parts: Sequence[str], results: Results, *, subjects: Mapping[str, str], check_mode: bool) -> dict[str, Any]:
    """Return ``{changed, checks}`` for the report.

    :param parts: those that were tried on this host.
    :param results: for each part what its calls returned, by name, and ``failure``, why it could not be tried to its end.
    :param subjects: for each part what it is about.
    """
    rows = []
    for part in parts:
        found = dict(results.get(part) or {})
        status, text = _judged(part, found, check_mode)
        rows.append(check_result(f"selftest.{part}", subjects.get(part) or part, status, text, hint=None if status == OK else _HINTS.get(part)))
    return {"changed": False, "checks": rows}


def _judged(part: str, found: Results, check_mode: bool) -> tuple[str, str]:
    if part not in PARTS:
        return UNKNOWN, f"{part!r} is no part of the self-test; there are {', '.join(PARTS)}."
    failure = plain(str(found.get("failure") or ""), 300).rstrip(".")
    if failure:
        return UNKNOWN, f"Nobody can tell whether it works: {failure}."
    if check_mode:
        return OK, "Nothing stands against trying it."
    return {BLOCK: _block, FILES: _files, ALERT: _alert}[part](found)


def _block(found: Results) -> tuple[str, str]:
    before, during, after = (_answers(found.get(name)) for name in ("before", "during", "after"))
    if before is not True:
        return UNKNOWN, f"The port could not be reached before it was blocked, so that nothing is known: {_why(found.get('before'))}."
    if during is None or after is None:
        return UNKNOWN, f"The port could not be asked: {_why(found.get('during' if during is None else 'after'))}."
    if during:
        return CRITICAL, "The port was still open from outside while it was blocked."
    if not after:
        return CRITICAL, f"The port was closed while it was blocked, and is not open again: {_why(found.get('after'))}."
    return OK, "The port was closed from outside while it was blocked, and is open again."


def _answers(result: Any) -> bool | None:
    """Tell whether a port answered; None when nobody could ask."""
    probes = result.get("probes") if isinstance(result, Mapping) else None
    status = probes[0].get("status") if isinstance(probes, list) and probes and isinstance(probes[0], Mapping) else UNKNOWN
    return None if says(result, "failed") or status == UNKNOWN else status != CRITICAL


def _why(result: Any) -> str:
    probes = result.get("probes") if isinstance(result, Mapping) else None
    if isinstance(probes, list) and probes and isinstance(probes[0], Mapping):
        return plain(str(probes[0].get("summary") or ""), 200).rstrip(".")
    return said_reason(result)


def _files(found: Results) -> tuple[str, str]:
    canary = str(found.get("canary") or "")
    if _change(found.get("tampered"), canary) != "changed":
        return CRITICAL, "A file was changed, and file_integrity did not find it."
    watched = found.get("watched")
    if not isinstance(watched, Mapping) or not watched.get("baseline"):
        return UNKNOWN, "A changed file was found. Whether a new one below the watched folders is, nobody can tell: there is no baseline."
    if _change(watched, canary) != "added":
        return CRITICAL, "A new file below a watched folder was not found: it is left out, or the folder is not watched."
    return OK, "A new file below a watched folder and a changed one were found."


def _change(result: Any, path: str) -> str:
    changes = result.get("changes") if isinstance(result, Mapping) else None
    found = [row.get("change") for row in changes or [] if isinstance(row, Mapping) and row.get("path") == path]
    return str(found[0]) if found else ""


def _alert(found: Results) -> tuple[str, str]:
    told = found.get("told")
    if not isinstance(told, Mapping) or says(told, "skipped"):
        return UNKNOWN, "Nobody can be told: the contacts of the platform description have no channel, or notify_enabled is false."
    bad = [row for row in told.get("checks") or [] if isinstance(row, Mapping) and row.get("status") != OK]
    if says(told, "failed") or says(told, "unreachable") or bad:
        return CRITICAL, " ".join(str(row.get("summary")) for row in bad) or f"The channels could not be rung: {said_reason(told)}."
    count = len(told.get("checks") or [])
    return OK, f"A test message reached {count} channel{'' if count == 1 else 's'}."
