"""Every cadence has the two plays that let it report whatever broke, and every playbook documents its variables."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest
from checkout import CHECKOUT, FQCN, PLAYBOOKS, read_yaml, role_text, roles_of

HOSTS = "{{ upkeep_hosts | default('all') }}"
IGNORING = {"ignore_errors", "ignore_unreachable"}
#: Roles that a cadence also knows by a shorter word.
OTHER_TAGS = {("daily", "security_audit"): ["security"]}
#: Reads of a variable with a literal for a default: upkeep_x | default('…')
DEFAULT = re.compile(r"\b(upkeep_\w+)\s*\|\s*default\((?P<literal>'[^']*'|\[.*?\]|true|false|\d+)\)")


def reports(path: Path) -> bool:
    return any("report" in roles_of(play) for play in read_yaml(path))


#: What looks, and what changes the platform and tells of it: a failure there must not be passed over.
REPORTING = [path for path in PLAYBOOKS if reports(path)]
ACTING_AND_REPORTING = [path for path in REPORTING if path.stem in ("backup", "disaster_recovery", "rollback", "security_rules", "security_selftest")]
#: Those that replace what is there: somebody confirms them, and the role puts back what it did when it fails.
REPLACING = [path for path in ACTING_AND_REPORTING if path.stem in ("disaster_recovery", "rollback", "security_rules")]
#: What acts, looks and reports, each in a play of its own: what looks there may fail in part, what acts may not.
INCIDENTS = [path for path in REPORTING if path.stem == "security_incident"]
LOOKING_IN_AN_INCIDENT = ["sweep", "security_audit", "health"]
CADENCES = [path for path in REPORTING if path not in ACTING_AND_REPORTING + INCIDENTS]
OTHERS = [path for path in PLAYBOOKS if path not in CADENCES]


def by_name(path: Path) -> str:
    return path.stem


def tags_by_role(play: dict[str, Any]) -> dict[str, Any]:
    return {entry["role"].removeprefix(f"{FQCN}."): entry.get("tags") for entry in play["roles"]}


def meta(path: Path) -> dict[str, Any]:
    return read_yaml(path.with_suffix(".meta.yml"))["argument_specs"][path.stem]


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def text_with_roles(path: Path) -> str:
    """Return the playbook and everything in the roles that it runs, and in those that these run."""
    names = {name for play in read_yaml(path) for name in roles_of(play)}
    for name in sorted(names):
        names |= set(re.findall(rf"name: {re.escape(FQCN)}\.(\w+)", "\n".join(map(_text, (CHECKOUT / "roles" / name / "tasks").glob("*.yml")))))
    return "\n".join([path.read_text(encoding="utf-8"), *(role_text(CHECKOUT / "roles" / name) for name in sorted(names))])


def test_there_are_cadences_and_others() -> None:
    assert {"daily", "health_check", "security_audit"} <= {path.stem for path in CADENCES}
    assert {"prepare", "security_accept"} <= {path.stem for path in OTHERS}


@pytest.mark.parametrize("path", CADENCES, ids=by_name)
def test_a_cadence_looks_in_one_play_and_reports_in_the_next(path: Path) -> None:
    look, report = read_yaml(path)
    assert look["hosts"] == report["hosts"] == HOSTS
    assert look["become"] is True
    assert look["gather_facts"] is report["gather_facts"] is False
    assert look["strategy"] == report["strategy"] == "ansible.builtin.linear", "under free, run_once runs for every host"
    assert look["ignore_errors"] is look["ignore_unreachable"] is True
    assert not IGNORING & report.keys(), "a verdict that is ignored is none"
    assert report["tags"] == ["always"]
    assert not {"tasks", "pre_tasks", "post_tasks", "handlers"} & (look.keys() | report.keys()), "playbooks list roles"


@pytest.mark.parametrize("path", ACTING_AND_REPORTING, ids=by_name)
def test_what_acts_and_reports_does_so_in_two_plays_over_the_same_hosts(path: Path) -> None:
    act, report = read_yaml(path)
    assert act["hosts"] == report["hosts"] == HOSTS
    assert act["become"] is True
    assert act["gather_facts"] is report["gather_facts"] is False
    assert act["strategy"] == report["strategy"] == "ansible.builtin.linear"
    assert not IGNORING & (act.keys() | report.keys())
    assert report["tags"] == ["always"]


@pytest.mark.parametrize("path", CADENCES + ACTING_AND_REPORTING, ids=by_name)
def test_every_role_of_a_cadence_has_its_tag_and_platform_comes_first(path: Path) -> None:
    look, report = read_yaml(path)
    tags = tags_by_role(look)
    assert next(iter(tags)) == "platform"
    assert tags == {name: ["always" if name == "platform" else name, *OTHER_TAGS.get((path.stem, name), [])] for name in tags}
    assert len(look["roles"]) == len(tags), "a role listed twice runs once"
    assert roles_of(report)[0] == "report"


@pytest.mark.parametrize("path", REPLACING, ids=by_name)
def test_what_replaces_something_is_confirmed_and_cannot_end_well_when_it_failed(path: Path) -> None:
    act, report = read_yaml(path)
    assert meta(path)["options"]["upkeep_confirm"]["required"] is True
    # The host stays in the run, so that the second play can tell what happened to it.
    reported = [role["vars"][f"{role['role'].rpartition('.')[2]}_reported"] for role in act["roles"][1:]]
    assert reported == [True] * (len(act["roles"]) - 1)
    # Also a run that was told to recover nothing, by its tags, has not ended well.
    assert report["roles"][0]["vars"]["report_fail_on"] == "{{ 'warning' if upkeep_fail_on | default('unknown') == 'warning' else 'unknown' }}"


@pytest.mark.parametrize("path", INCIDENTS, ids=by_name)
def test_an_incident_acts_looks_and_reports_in_three_plays(path: Path) -> None:
    act, look, report = plays = read_yaml(path)
    for play in plays:
        assert play["hosts"] == HOSTS and play["gather_facts"] is False and play["strategy"] == "ansible.builtin.linear"
        assert not {"tasks", "pre_tasks", "post_tasks", "handlers"} & play.keys(), "playbooks list roles"
    assert act["become"] is look["become"] is True
    assert not IGNORING & (act.keys() | report.keys()), "what acts, and the verdict, are never passed over"
    assert look["ignore_errors"] is look["ignore_unreachable"] is True and roles_of(look) == LOOKING_IN_AN_INCIDENT
    assert {role["when"] for role in look["roles"]} == {"platform_result is not unreachable"}, "each would wait for a dead host"
    assert roles_of(act) == ["platform", "custody", "evidence", "containment", "secrets"], "evidence before isolation"
    # Evidence only looks: that it could not be had must not keep a host from being isolated.
    assert [name for name, role in zip(roles_of(act), act["roles"]) if IGNORING & role.keys()] == ["evidence"]
    assert roles_of(report) == ["custody", "report"] and report["tags"] == ["always"]
    tags = tags_by_role(act) | tags_by_role(look)
    assert {name for name, tag in tags.items() if tag == ["always"]} == {"platform", "custody"}
    assert all(name in tag for name, tag in tags.items() if tag != ["always"])
    assert {name for name, tag in tags.items() if "verify" in tag} == {"security_audit", "health"}
    assert [role["vars"] for role in act["roles"][-2:]] == [{"containment_reported": True}, {"secrets_reported": True}]
    assert tags["secrets"] == ["secrets", "rotate", "release"]
    assert report["roles"][0]["vars"] == {"custody_state": "ends"}
    variables = report["roles"][1]["vars"]
    assert variables["report_playbook"] == path.stem
    assert variables["report_promised_roles"] == [name for name in roles_of(act) + roles_of(look) if name != "platform"]
    assert variables["report_fail_on"] == "{{ 'warning' if upkeep_fail_on | default('unknown') == 'warning' else 'unknown' }}"
    options = meta(path)["options"]
    assert options["upkeep_confirm"]["required"] is options["upkeep_incident"]["required"] is True


@pytest.mark.parametrize("path", CADENCES + ACTING_AND_REPORTING, ids=by_name)
def test_the_promised_roles_are_those_of_the_first_play(path: Path) -> None:
    look, report = read_yaml(path)
    variables = report["roles"][0]["vars"]
    assert variables["report_playbook"] == path.stem
    assert variables["report_promised_roles"] == [name for name in roles_of(look) if name != "platform"]


@pytest.mark.parametrize("path", OTHERS, ids=by_name)
def test_a_playbook_that_changes_something_ignores_nothing(path: Path) -> None:
    acting = [play for play in read_yaml(path) if "report" not in roles_of(play) and roles_of(play) != LOOKING_IN_AN_INCIDENT]
    assert acting
    for play in acting:
        assert not IGNORING & play.keys()
        assert play["become"] is True


@pytest.mark.parametrize("path", PLAYBOOKS, ids=by_name)
def test_the_name_works_behind_the_collection_and_only_full_names_are_used(path: Path) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]*", path.stem)
    for play in read_yaml(path):
        for entry in play.get("roles", []):
            assert entry["role"].startswith(f"{FQCN}.")


@pytest.mark.parametrize("path", PLAYBOOKS, ids=by_name)
def test_every_variable_is_documented_and_exists(path: Path) -> None:
    options = meta(path)["options"]
    text = text_with_roles(path)
    used = set(re.findall(r"\bupkeep_[a-z_]+\b", text))
    assert used - options.keys() == set(), "used, but not documented"
    assert {name for name in options if not re.search(rf"\b{name}\b", text)} == set(), "documented, but used nowhere"


@pytest.mark.parametrize("path", PLAYBOOKS, ids=by_name)
def test_every_variable_says_what_it_is(path: Path) -> None:
    spec = meta(path)
    assert spec["short_description"] and spec["description"]
    for name, option in spec["options"].items():
        assert option["description"] and option["type"], name
        assert option.get("required") is True or "default" in option, f"{name} is neither required nor has a default"


@pytest.mark.parametrize("path", PLAYBOOKS, ids=by_name)
def test_a_documented_default_is_the_one_that_applies(path: Path) -> None:
    options = meta(path)["options"]
    for match in DEFAULT.finditer(text_with_roles(path)):
        literal = match["literal"]
        default = {"true": True, "false": False}[literal] if literal in ("true", "false") else ast.literal_eval(literal)
        if default == "" and options[match[1]].get("required"):
            continue  # the role itself says then what is missing
        assert options[match[1]].get("default") == default, match[0]
