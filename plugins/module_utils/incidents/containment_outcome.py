# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What became of containing a host, or of giving it back: one result for the report, and an entry of each step for the custody log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import CRITICAL, OK, WARNING, check_result
from ansible_collections.upkeep.runbook.plugins.module_utils.incidents.custody_entries import DONE, FAILED, REFUSED
from ansible_collections.upkeep.runbook.plugins.module_utils.incidents.steps import BLOCK, ISOLATE, RELEASE
from ansible_collections.upkeep.runbook.plugins.module_utils.received_checks import read_checks
from ansible_collections.upkeep.runbook.plugins.module_utils.registered_results import says
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

RESULT = "containment.result"

#: The calls of each step that act, by the names under which the role gives their results.
_CALLS = {
    ISOLATE: ("isolated", "confirmed"), BLOCK: ("shut", "blocked"),
    RELEASE: ("opened", "unblocked", "freed", "seen_accounts", "seen_blocks", "seen_isolation"),
}
_LEFT_OUT = {"changed": False, "skipped": True, "skip_reason": "Conditional result was False", "steps": []}
_MAX_REASON = 300
_NAMED = 5
#: Rows of each kind in an entry of the log.
_KEPT = 50

Results = Mapping[str, Any]


def containment_outcome(
    steps: Sequence[str], results: Results, *, incident: str, check_mode: bool, failure: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return ``{changed, checks, steps}`` for the report and the custody log.

    :param steps: those that the run chose, of ``isolate``, ``block`` and ``release``.
    :param results: what the calls returned, by name; one that was not made is empty or skipped.
    :param failure: ``step`` that failed (``preflight`` when nothing was touched), ``msg``, and ``put_back``, results of what was put
        back, by what it is.
    """
    acted = {step: _made(results, step) for step in steps}
    if not failure and not any(acted.values()):
        return dict(_LEFT_OUT)
    told = {step: _said(step, acted[step], check_mode) for step in steps if acted[step]}
    main = _failed(incident, told, failure, results) if failure else _succeeded(incident, told, check_mode)
    rows = [row for calls in acted.values() for row in _rows(calls)]
    return {
        "changed": not check_mode and any(says(call, "changed") for calls in acted.values() for call in calls.values()),
        "checks": [main, *_last_of_each(rows)],
        "steps": [_entry(step, steps, acted[step], told.get(step, ""), failure or {}) for step in steps],
    }


def _made(results: Results, step: str) -> dict[str, Mapping[str, Any]]:
    """Return the results of the calls of a step that were made."""
    found = {name: results.get(name) for name in _CALLS[step]}
    return {name: call for name, call in found.items() if isinstance(call, Mapping) and call and not says(call, "skipped")}


def _rows(calls: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the checks of the calls of a step; what isolating said of its timer is over once that was stopped."""
    checks = {name: read_checks(call.get("checks"))[0] for name, call in calls.items()}
    return [row for name, rows in checks.items() if not (name == "isolated" and checks.get("confirmed")) for row in rows]


def _last_of_each(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the last row of each check and subject: what is seen after an action counts more than what it said of itself."""
    return list({(row["check"], row["subject"]): row for row in rows}.values())


def _said(step: str, calls: Mapping[str, Mapping[str, Any]], check_mode: bool) -> str:
    """Say what a step did, or would do."""
    word = "would be" if check_mode else "is"
    parts = []
    if "isolated" in calls:
        found = calls.get("confirmed", calls["isolated"]).get("isolation") or {}
        kept = ", also after a restart" if found.get("persistent") else ""
        parts.append(f"the host {word} isolated" + ("" if check_mode else f" since {found.get('since')}{kept}"))
    if "shut" in calls:
        parts.append(_counted("account", [row.get("user") for row in calls["shut"].get("accounts") or []], word, "shut"))
    if "blocked" in calls:
        blocked = calls["blocked"]
        parts.append(_counted("address", [row.get("address") for row in blocked.get("added") or []], word, "blocked anew"))
        if blocked.get("refused"):
            parts.append(_counted("address", [row.get("address") for row in blocked["refused"]], "is", "refused"))
    word = "would be" if check_mode else "was"
    if "opened" in calls:
        parts.append(_counted("account", [row.get("user") for row in calls["opened"].get("accounts") or []], word, "given back"))
    if "unblocked" in calls:
        parts.append(_counted("address", [row.get("address") for row in calls["unblocked"].get("removed") or []], word, "released"))
    if "freed" in calls:
        parts.append(f"the host {word} given back" if says(calls["freed"], "changed") else "the host is not isolated")
    return ", ".join(part for part in parts if part)


def _counted(what: str, names: Sequence[Any], word: str, done: str) -> str:
    if len(names) != 1:
        what = "addresses" if what == "address" else "accounts"
        word = {"is": "are", "was": "were"}.get(word, word)
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    listed = f" ({', '.join(str(name) for name in names[:_NAMED])}{more})" if names else ""
    return f"{len(names) or 'no'} {what}{listed} {word} {done}"


def _succeeded(incident: str, told: Mapping[str, str], check_mode: bool) -> dict[str, Any]:
    text = "; ".join(one for one in told.values() if one)
    if check_mode:
        return check_result(RESULT, incident, OK, f"{incident}: nothing stands against it: {text}.")
    if RELEASE in told:
        return check_result(RESULT, incident, OK, f"{incident}: taken back: {text}.")
    return check_result(
        RESULT, incident, WARNING, f"{incident}: contained: {text}.",
        hint=f"When it is over: ansible-playbook upkeep.runbook.security_incident --tags release -e upkeep_incident={incident}",
    )


def _failed(incident: str, told: Mapping[str, str], failure: Mapping[str, Any], results: Results) -> dict[str, Any]:
    step, reason = str(failure.get("step") or "preflight"), plain(str(failure.get("msg") or "it gave no reason"), _MAX_REASON).rstrip(".")
    if step == "preflight":
        return check_result(
            RESULT, incident, CRITICAL, f"{incident}: refused before anything was touched: {reason}.",
            hint="Mend that and run it again, or leave the step out: --tags isolate, --tags block.",
        )
    before = "; ".join(text for name, text in told.items() if name != step and text)
    stays = f" What was done before it stays: {before}." if before else ""
    return check_result(
        RESULT, incident, CRITICAL, f"{incident}: {step} failed: {reason}. {_put_back(step, failure, results)}{stays}",
        hint="Mend the cause, then run the step again; it goes on where it was.",
        evidence={"step": step},
    )


def _put_back(step: str, failure: Mapping[str, Any], results: Results) -> str:
    """Say what was put back, and what was not."""
    put_back = {name: call for name, call in dict(failure.get("put_back") or {}).items() if isinstance(call, Mapping) and not says(call, "skipped")}
    left = []
    for name, call in put_back.items():
        if not (says(call, "failed") or says(call, "unreachable")):
            continue
        reason = plain(str(call.get("msg") or "it failed"), 150).rstrip(".")
        if name == "isolation":
            end = (dict(results.get("isolated") or {}).get("isolation") or {}).get("reverts_at")
            left.append(f"the isolation ({reason}); its timer gives the host back" + (f" at {end}" if end else ""))
        else:
            left.append(f"{name} ({reason})")
    if left:
        return f"NOT everything could be put back: {'; '.join(left)}."
    if step == RELEASE:
        return "What was not given back yet stays contained."
    return "What the step had done was put back." if put_back else "It had changed nothing that could be put back."


def _entry(
    step: str, steps: Sequence[str], calls: Mapping[str, Mapping[str, Any]], told: str, failure: Mapping[str, Any]
) -> dict[str, Any]:
    reason = plain(str(failure.get("msg") or "it gave no reason"), _MAX_REASON).rstrip(".")
    failed = str(failure.get("step") or "")
    details = {name: _detail(name, call) for name, call in calls.items()}
    if failed == "preflight":
        return {"step": step, "outcome": REFUSED, "summary": f"{step}: refused before anything was touched: {reason}.", "details": {}}
    if failed == step:
        back = {name: not (says(call, "failed") or says(call, "unreachable"))
                for name, call in dict(failure.get("put_back") or {}).items() if isinstance(call, Mapping) and not says(call, "skipped")}
        return {"step": step, "outcome": FAILED, "summary": f"{step}: {reason}.", "details": {**details, "put_back": back}}
    if failed in steps and steps.index(step) > steps.index(failed):
        return {"step": step, "outcome": FAILED, "summary": f"{step}: not begun, since {failed} failed.", "details": {}}
    return {"step": step, "outcome": DONE, "summary": f"{step}: {told or 'nothing was to be done'}.", "details": details}


def _detail(name: str, call: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an entry of the log keeps of a call: what it did, not how the kernel's whole table looks."""
    kept: dict[str, Any] = {"changed": says(call, "changed")}
    for key in ("isolation", "added", "removed", "refused"):
        if call.get(key):
            kept[key] = call[key][:_KEPT] if isinstance(call[key], list) else call[key]
    if call.get("accounts"):
        kept["accounts"] = [
            {key: row.get(key) for key in ("user", "contained", "key_files", "sessions_ended")} for row in call["accounts"][:_KEPT]
        ]
    return kept
