# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What became of rotating the secrets of a host, or of forgetting the old ones: a result for the report, entries for the custody log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import CRITICAL, OK, WARNING, check_result
from ansible_collections.upkeep.runbook.plugins.module_utils.incidents.custody_entries import DONE, FAILED, REFUSED
from ansible_collections.upkeep.runbook.plugins.module_utils.incidents.steps import RELEASE, ROTATE
from ansible_collections.upkeep.runbook.plugins.module_utils.received_checks import read_checks
from ansible_collections.upkeep.runbook.plugins.module_utils.registered_results import says
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

RESULT = "secrets.result"

#: The calls of each step, in their order: the checks of the last one tell how it is now.
_CALLS = {ROTATE: ("rotated", "confirmed"), RELEASE: ("forgotten",)}
_LEFT_OUT = {"changed": False, "skipped": True, "skip_reason": "Conditional result was False", "steps": []}
_MAX_REASON = 300
_NAMED = 5
_MAX_PROBE = 80

Results = Mapping[str, Any]


def secret_outcome(
    steps: Sequence[str], results: Results, *, incident: str, check_mode: bool, failure: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return ``{changed, checks, steps}`` for the report and the custody log.

    :param steps: those that the run chose, of ``rotate`` and ``release``.
    :param results: what the calls returned, as ``rotated``, ``confirmed`` and ``forgotten``; ``restarted`` and ``idle``, names of
        services; ``unjudged``, what was said of probes that were not well before.
    :param failure: ``step`` that failed (``preflight`` when nothing was touched), ``msg``, and ``put_back``, results of what was put
        back: of ``files``, ``services`` and ``health``.
    """
    calls = [call for step in steps for name in _CALLS.get(step, ()) if (call := _made(results, name))]
    if not failure and not calls:
        return dict(_LEFT_OUT)
    told = {step: _said(step, results, check_mode) for step in steps}
    back = dict((failure or {}).get("put_back") or {})
    rows = [row for call in [*calls, _made(back, "files"), _made(back, "health")] if call for row in read_checks(call.get("checks"))[0]]
    return {
        "changed": not check_mode and any(says(call, "changed") for call in calls),
        "checks": [_main(steps, told, incident, check_mode, results, failure), *_last_of_each(rows)],
        "steps": [_entry(step, told[step], results, failure) for step in steps],
    }


def _made(results: Results, name: str) -> Mapping[str, Any]:
    """Return the result of a call, empty when it was not made."""
    call = results.get(name)
    return call if isinstance(call, Mapping) and not says(call, "skipped") else {}


def _last_of_each(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return list({(row["check"], row["subject"]): row for row in rows}.values())


def _said(step: str, results: Results, check_mode: bool) -> str:
    """Say what a step did, or would do, by names of files and keys."""
    would = "would be " if check_mode else ""
    if step == RELEASE:
        return f"old values {would or 'are '}forgotten: {_places(_made(results, 'forgotten').get('forgotten'))}"
    call = _made(results, "rotated")
    if call.get("rotated"):
        parts = [f"{would}rotated: {_places(call['rotated'])}"]
    else:
        parts = ["every secret has its new value already"]
    if call.get("repaired"):
        parts.append(f"what a killed run had left {would or 'was '}put back first: {_places(call['repaired'])}")
    restarted, idle = _names(results.get("restarted")), _names(results.get("idle"))
    if restarted:
        parts.append(f"{restarted} {'would be restarted' if check_mode else 'restarted and healthy'}")
    unjudged = [plain(str(text), _MAX_PROBE).rstrip(".") for text in results.get("unjudged") or []]
    if restarted and unjudged:
        parts.append(f"not judged, since it was not well before: {_names(unjudged)}")
    if idle:
        parts.append(f"not running and not restarted: {idle}")
    return "; ".join(parts)


def _places(found: Any) -> str:
    places = [f"{', '.join(str(key) for key in one.get('keys') or [])} of {one.get('path')}" for one in found or [] if isinstance(one, Mapping)]
    return _names(places) or "nothing"


def _names(names: Any) -> str:
    listed = [str(name) for name in names or []]
    more = f" and {len(listed) - _NAMED} more" if len(listed) > _NAMED else ""
    return ", ".join(listed[:_NAMED]) + more


def _main(
    steps: Sequence[str], told: Mapping[str, str], incident: str, check_mode: bool, results: Results, failure: Mapping[str, Any] | None
) -> dict[str, Any]:
    text = "; ".join(told[step] for step in steps)
    if failure:
        return _failed(incident, results, failure)
    if check_mode:
        return check_result(RESULT, incident, OK, f"{incident}: nothing stands against it: {text}.")
    if results.get("idle") and ROTATE in steps:
        return check_result(
            RESULT, incident, WARNING, f"{incident}: {text}.", hint="Start what does not run, then run the step again: it confirms that all is well.",
        )
    return check_result(RESULT, incident, OK, f"{incident}: {text}.")


def _failed(incident: str, results: Results, failure: Mapping[str, Any]) -> dict[str, Any]:
    step, reason = _failed_step(failure), _reason(failure)
    if step == "preflight":
        return check_result(
            RESULT, incident, CRITICAL, f"{incident}: refused before anything was touched: {reason}.", hint="Mend that and run it again: --tags rotate.",
        )
    return check_result(
        RESULT, incident, CRITICAL, f"{incident}: {step} failed: {reason}. {_put_back(results, failure)}", hint="Mend the cause, then run the step again.",
        evidence={"step": step},
    )


def _failed_step(failure: Mapping[str, Any]) -> str:
    return str(failure.get("step") or "preflight")


def _reason(failure: Mapping[str, Any]) -> str:
    return plain(str(failure.get("msg") or "it gave no reason"), _MAX_REASON).rstrip(".")


def _put_back(results: Results, failure: Mapping[str, Any]) -> str:
    """Say whether the old values are back, and the services well with them."""
    back = dict(failure.get("put_back") or {})
    files, services, health = (_made(back, name) for name in ("files", "services", "health"))
    if _failed_step(failure) == RELEASE:
        return "What was not forgotten is kept."
    if not files and _bad(_made(results, "rotated")):
        return "What was begun was put back at once, unless the reason says otherwise."
    if not files:
        return "It had changed nothing that could be put back."
    if _bad(files):
        return f"NOT everything could be put back: {plain(str(files.get('msg') or 'no reason was given'), 150).rstrip('.')}."
    left = _places(files.get("left"))
    parts = ["The old values, which an intruder may know, are back"]
    if left != "nothing":
        parts.append(f"but not over what somebody has changed: {left}")
    if _bad(services):
        parts.append(f"NOT all services started again: {plain(str(services.get('msg') or ''), 150)}")
    elif health.get("status") in ("critical", "unknown") or _bad(health):
        parts.append("the services were restarted, and are NOT healthy")
    else:
        parts.append("the services run with them")
    return f"{'; '.join(parts)}."


def _bad(call: Mapping[str, Any]) -> bool:
    return says(call, "failed") or says(call, "unreachable")


def _entry(step: str, told: str, results: Results, failure: Mapping[str, Any] | None) -> dict[str, Any]:
    if failure and _failed_step(failure) == "preflight":
        return {"step": step, "outcome": REFUSED, "summary": f"{step}: refused before anything was touched: {_reason(failure)}.", "details": {}}
    details = {
        name: {key: call[key] for key in ("changed", "rotated", "repaired", "forgotten", "unconfirmed") if key in call}
        for name in _CALLS[step] if (call := _made(results, name))
    }
    if failure:
        return {"step": step, "outcome": FAILED, "summary": f"{step}: {_reason(failure)}. {_put_back(results, failure)}", "details": details}
    return {"step": step, "outcome": DONE, "summary": f"{step}: {told}.", "details": details}
