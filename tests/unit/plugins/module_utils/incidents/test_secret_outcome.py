"""What a rotation says of itself: to the report, and to the custody log."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import check_result
from ansible_collections.upkeep.runbook.plugins.module_utils.incidents.secret_outcome import secret_outcome

PLACES = [{"path": "/opt/x/.env", "keys": ["JWT_SECRET", "SESSION"]}]


def row(status: str) -> dict[str, Any]:
    return check_result("secret.rotation", "/opt/x/.env", status, "so it is")


ROTATED = {"changed": True, "rotated": PLACES, "unconfirmed": PLACES, "checks": [row("warning")]}
CONFIRMED = {"changed": True, "rotated": [], "unconfirmed": [], "checks": [row("ok")]}
RESULTS = {"rotated": ROTATED, "confirmed": CONFIRMED, "restarted": ["api", "worker"], "idle": []}


def told(outcome: dict[str, Any]) -> tuple[str, str]:
    assert outcome["checks"][0]["check"] == "secrets.result" and outcome["checks"][0]["subject"] == "INC-42"
    return outcome["checks"][0]["status"], outcome["checks"][0]["summary"]


def outcome(steps: list[str], results: dict[str, Any], failure: dict[str, Any] | None = None, check_mode: bool = False) -> dict[str, Any]:
    return secret_outcome(steps, results, incident="INC-42", check_mode=check_mode, failure=failure)


def test_what_was_rotated_and_is_well() -> None:
    done = outcome(["rotate"], RESULTS)
    assert told(done) == ("ok", "INC-42: rotated: JWT_SECRET, SESSION of /opt/x/.env; api, worker restarted and healthy.")
    # How it is in the end counts, not how it was before the services were well.
    assert [one["status"] for one in done["checks"]] == ["ok", "ok"] and done["changed"]
    (entry,) = done["steps"]
    assert (entry["step"], entry["outcome"]) == ("rotate", "done") and entry["details"]["rotated"]["rotated"] == PLACES


def test_check_mode_and_what_has_nothing_to_do() -> None:
    plan = outcome(["rotate"], {**RESULTS, "confirmed": {"skipped": True}}, check_mode=True)
    assert told(plan)[0] == "ok" and "would be rotated" in told(plan)[1] and "would be restarted" in told(plan)[1] and not plan["changed"]
    again = outcome(["rotate"], {"rotated": {**CONFIRMED, "changed": False}, "restarted": [], "idle": []})
    assert told(again) == ("ok", "INC-42: every secret has its new value already.") and not again["changed"]
    assert outcome(["release"], {"forgotten": {"skipped": True}})["skipped"] and outcome([], {})["skipped"]


def test_services_that_do_not_run_and_a_release() -> None:
    idle = outcome(["rotate"], {"rotated": ROTATED, "restarted": ["api"], "idle": ["worker"]})
    assert told(idle)[0] == "warning" and "not running and not restarted: worker" in told(idle)[1]
    unjudged = outcome(["rotate"], {**RESULTS, "unjudged": ["Port 3000 could not be checked."]})
    assert told(unjudged)[0] == "ok" and "not judged, since it was not well before: Port 3000 could not be checked." in told(unjudged)[1]
    repaired = outcome(["rotate"], {**RESULTS, "rotated": {**ROTATED, "repaired": PLACES}})
    assert "a killed run had left was put back first: JWT_SECRET" in told(repaired)[1]
    released = outcome(["release"], {"forgotten": {"changed": True, "forgotten": PLACES, "checks": [row("ok")]}})
    assert told(released) == ("ok", "INC-42: old values are forgotten: JWT_SECRET, SESSION of /opt/x/.env.")
    assert released["steps"][0]["step"] == "release"


@pytest.mark.parametrize(
    ("step", "put_back", "said", "outcome_of_entry"),
    [
        ("preflight", {}, "refused before anything was touched: no room.", "refused"),
        ("rotate", {}, "rotate failed: no room. It had changed nothing that could be put back.", "failed"),
        ("rotate", {"files": {"put_back": PLACES}, "health": {"status": "ok"}}, "are back; the services run with them.", "failed"),
        ("rotate", {"files": {"put_back": PLACES}, "health": {"status": "critical", "checks": []}}, "and are NOT healthy.", "failed"),
        ("rotate", {"files": {"put_back": []}, "services": {"failed": True, "msg": "api"}}, "NOT all services started again: api.", "failed"),
        ("rotate", {"files": {"left": PLACES}}, "but not over what somebody has changed: JWT_SECRET", "failed"),
        ("rotate", {"files": {"failed": True, "msg": "a link."}}, "NOT everything could be put back: a link.", "failed"),
        ("release", {}, "release failed: no room. What was not forgotten is kept.", "failed"),
    ],
)
def test_failures_say_how_it_is_now(step: str, put_back: dict[str, Any], said: str, outcome_of_entry: str) -> None:
    chosen = "release" if step == "release" else "rotate"
    failed = outcome([chosen], RESULTS if step == "rotate" else {}, {"step": step, "msg": "no room.", "put_back": put_back})
    assert told(failed)[0] == "critical" and said in told(failed)[1]
    (entry,) = failed["steps"]
    assert (entry["step"], entry["outcome"]) == (chosen, outcome_of_entry)


def test_a_module_that_could_not_put_back_what_it_began_is_not_said_to_have_changed_nothing() -> None:
    failed = {"failed": True, "msg": "NOT everything could be put back"}
    found = outcome(["rotate"], {"rotated": failed}, {"step": "rotate", "msg": failed["msg"], "put_back": {"files": {"skipped": True}}})
    for said in (told(found)[1], found["steps"][0]["summary"]):
        assert "NOT everything could be put back. What was begun was put back at once, unless the reason says otherwise." in said
