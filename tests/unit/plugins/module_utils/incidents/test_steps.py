"""Which steps the tags of a run choose, and what stands against them."""

from __future__ import annotations

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.incidents.block_requests import block_requests, named, of_incident
from ansible_collections.upkeep.runbook.plugins.module_utils.incidents.steps import chosen_steps, refusal

ALL = ["evidence", "isolate", "block", "sweep", "verify"]


@pytest.mark.parametrize(
    ("run_tags", "skip_tags", "chosen"),
    [
        (["all"], [], ALL),
        (["isolate"], [], ["isolate"]),
        (["containment"], [], ["isolate", "block"]),
        (["all"], ["isolate"], ["evidence", "block", "sweep", "verify"]),
        (["all"], ["containment"], ["evidence", "sweep", "verify"]),
        (["health"], [], ["verify"]),
        (["release"], [], ["release"]),
        (["all", "release"], [], [*ALL, "release"]),
        (["tagged"], [], ALL),
        (["never"], [], []),
        (["untagged"], [], []),
        (["release"], ["release"], []),
        (["files"], [], []),
        (["rotate"], [], ["rotate"]),
        (["secrets"], [], ["rotate"]),
        (["rotate"], ["secrets"], []),
    ],
)
def test_tags_choose_steps_and_release_only_by_its_name(run_tags: list[str], skip_tags: list[str], chosen: list[str]) -> None:
    assert chosen_steps(run_tags, skip_tags) == chosen


def test_secrets_that_are_named_are_rotated_with_the_rest() -> None:
    assert chosen_steps(["all"], [], rotates=True) == ["evidence", "isolate", "block", "rotate", "sweep", "verify"]
    assert chosen_steps(["isolate"], [], rotates=True) == ["isolate"] and "rotate" not in chosen_steps(["all"], ["rotate"], rotates=True)


@pytest.mark.parametrize(
    ("steps", "incident", "confirm", "check_mode", "why"),
    [
        (["isolate"], "INC-42", "Shop", False, ""),
        (["isolate"], "INC-42", "", False, "isolate must be confirmed with the name of the platform: -e 'upkeep_confirm=\"Shop\"'"),
        (["block"], "INC-42", "shop", False, "block must be confirmed with the name of the platform: it is 'Shop' and not 'shop'"),
        (["release"], "INC-42", "", False, "release must be confirmed"),
        (["evidence", "sweep", "verify"], "INC-42", "", False, ""),
        (["isolate", "block"], "INC-42", "", True, ""),
        (["isolate"], "INC-42", "shop", True, "not 'shop'"),
        (["sweep"], "", "", True, "name the incident: -e upkeep_incident="),
        (["sweep"], "../etc", "", False, "'../etc' is no id of an incident"),
        (["sweep"], "-x", "", False, "is no id"),
        (["sweep"], "INC-42\n", "", False, "is no id"),
        (["sweep"], "I" * 65, "", False, "is no id"),
        (["sweep"], "I" * 64, "", False, ""),
        (["isolate", "release"], "INC-42", "Shop", False, "choose either"),
        (["rotate", "release"], "INC-42", "Shop", False, "choose either"),
        (["rotate"], "INC-42", "", False, "rotate must be confirmed"),
        (["evidence", "release"], "INC-42", "Shop", False, ""),
    ],
)
def test_what_stands_against_a_run(steps: list[str], incident: str, confirm: str, check_mode: bool, why: str) -> None:
    told = refusal(steps, incident=incident, confirm=confirm, platform="Shop", check_mode=check_mode)
    assert why in told if why else told == ""


def test_what_is_typed_becomes_entries_that_their_incident_finds_again() -> None:
    assert named(" web-1, ,web-2 ") == ["web-1", "web-2"] and named(["a"]) == ["a"] and named(None) == named("") == []
    entries = block_requests(["192.0.2.7", {"address": "192.0.2.8", "reason": "scanner", "timeout_seconds": 60}], "INC-4")
    assert entries == [
        {"address": "192.0.2.7", "reason": "INC-4"}, {"address": "192.0.2.8", "reason": "INC-4: scanner", "timeout_seconds": 60},
    ]
    assert block_requests("192.0.2.7,192.0.2.8", "INC-4")[1] == {"address": "192.0.2.8", "reason": "INC-4"}
    others = [{"address": "a", "reason": "INC-42"}, {"address": "b", "reason": "by hand"}, {"address": "c", "reason": None}]
    assert of_incident([*entries, *others], "INC-4", "address") == ["192.0.2.7", "192.0.2.8"]
    assert len(block_requests([{"address": "a", "reason": "x" * 300}], "INC-4")[0]["reason"]) == 200
