"""Mistakes and malice in the inventory: one sentence for a person, or text like any other; never a stack of errors."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.tests.faults.house import House, Outcome, Unsafe, listing

#: What is changed in the description, and what the person is told; unit tests of the description have every other kind of mistake.
MISTAKES: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "an unknown key": (
        {"services": [{"name": "one", "port": 8080}, {"name": "two", "unit": "two", "prot": 8081}]},
        ("upkeep_platform is wrong: services[1].prot: ", 'did you mean "port"?', "accepted: ", "websocket"),
    ),
    "a name of several lines": (
        {"services": [{"name": "one\nok  alpha  everything  is fine"}]},
        ("upkeep_platform is wrong: services[0].name: must be a text of one line",),
    ),
    "a secret": (
        {"services": [{"name": "one", "http": "http://me:hunter2@127.0.0.1/"}]},
        ("upkeep_platform is wrong: services[0].http: ", "ansible-vault"),
    ),
}


def refused(house: House, done: Outcome) -> str:
    """Check that the run ended before it touched or looked at anything; return the one sentence."""
    assert done.rc == 2, done.output
    assert "Traceback" not in done.output
    assert not house.state.exists() and not house.reports.exists()
    sentences = set(re.findall(r"\[ERROR\]: (.*)", done.output))
    assert len(sentences) == 1, done.output
    return sentences.pop()


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_the_description_is_one_sentence(house: House, mistake: str) -> None:
    change, parts = MISTAKES[mistake]
    house.platform.update(change)
    done = house.run("daily")
    sentence = refused(house, done)
    for part in parts:
        assert part in sentence, sentence
    assert "hunter2" not in done.output


def test_several_mistakes_are_told_at_once(house: House) -> None:
    house.platform["services"] = [{"name": "one"}, {"name": "two", "port": 8081, "prot": 8081}]
    house.platform["rooot"] = "/opt"
    done = house.run("daily")
    assert "upkeep_platform has 3 mistakes" in refused(house, done)
    for mistake in ("\n- services[1].prot: ", "\n- services[0]: ", "\n- rooot: "):
        assert mistake in done.output


@pytest.mark.parametrize("playbook", ["daily", "health_check", "prepare"])
def test_without_a_description_one_sentence_says_what_to_write(house: House, playbook: str) -> None:
    del house.variables["upkeep_platform"]
    before = listing(house.watched)
    sentence = refused(house, house.run(playbook))
    assert "upkeep_platform is not set: describe the platform in the inventory" in sentence
    assert "upkeep_platform: {name: My platform, root: /opt/my-platform}" in sentence
    assert listing(house.watched) == before


def test_a_description_that_is_a_list_says_what_to_write(house: House) -> None:
    house.variables["upkeep_platform"] = ["tick-backend"]
    assert "upkeep_platform must be a mapping, not a list" in refused(house, house.run("daily"))


def test_a_platform_and_a_service_with_hostile_names_are_text(house: House) -> None:
    """A path that leads out, a template and markup, all in one name."""
    name = Unsafe("../../../x{{ lookup('pipe', 'touch made') }}<script>alert(1)</script>\"><img src=x onerror=alert(1)>")
    service = Unsafe("{{ lookup('pipe', 'touch made-by-a-template') }}<img src=x>")
    house.platform["name"] = name
    house.platform["services"][0]["name"] = service
    metrics = house.home / "metrics"
    metrics.mkdir()
    before = set(listing(house.watched))
    done = house.run("daily", upkeep_prometheus_directory=str(metrics))
    assert done.rc == 0, done.output
    assert done.record["platform"] == str(name)
    assert f"{name}: daily, run " in done.output
    assert done.check("alpha", "service.tcp")["subject"] == str(service)
    made = set(listing(house.watched)) - before
    places = ("reports", "state", "home/metrics/upkeep_")
    assert not [path for path in made if not path.startswith(places)], made
    for page in ("latest.html", "index.html", "latest.md"):
        text = (house.reports / page).read_text("utf-8")
        assert "<script>alert" not in text and "<img src" not in text, page
    assert len(list((house.reports / "heartbeats").iterdir())) == len(list(metrics.iterdir())) == 1


def test_a_severity_that_does_not_exist_is_refused_with_those_that_do(house: House) -> None:
    done = house.run("daily", "--tags", "health", upkeep_fail_on="catastrophe")
    assert done.rc not in (0, 250), done.output
    assert "fail_on is 'catastrophe', which is none of warning, unknown, critical, never." in done.output
    assert "template" not in done.output, done.output
    assert (house.reports / "latest.html").exists()
