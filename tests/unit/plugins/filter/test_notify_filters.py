"""The filters of the notifications, called as Ansible calls them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.upkeep.runbook.plugins.filter.notified_record import notified_record
from ansible_collections.upkeep.runbook.plugins.filter.notify_contacts import notify_contacts
from ansible_collections.upkeep.runbook.plugins.filter.run_record import run_record
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import check_result

CHECK = check_result("service.http", "api", "critical", "It answered 500.")
HOSTVARS = {"web": {"group_names": ["frontend"], "platform_result": {"ping": "pong"}, "health_result": {"checks": [CHECK]}}}
SILENCE = {"hosts": ["frontend"], "until": "2099-01-01T00:00:00Z", "reason": "known"}
CHANNEL = check_result("notify.channel", "mail a@b.example", "warning", "It failed.")


def record(**options: Any) -> dict[str, Any]:
    return run_record(["web"], HOSTVARS, platform="P", playbook="daily", promised_roles=["health"], **options)


def test_silences_know_the_groups_of_a_host() -> None:
    assert record()["health"] == "UNHEALTHY"
    assert record(silences=[SILENCE])["health"] == "HEALTHY"
    assert record(silences=[{**SILENCE, "hosts": ["backend"]}])["health"] == "UNHEALTHY"
    assert record(silences=[{"hosts": ["frontend"]}])["hosts"]["localhost"]["roles"]["notify"]["status"] == "unknown"


@pytest.mark.parametrize("result", [{"checks": [], "changed": False}, {"skipped": True, "changed": False, "false_condition": "x"}])
def test_with_nothing_to_say_the_record_stays_as_it_is(result: Mapping[str, Any]) -> None:
    before = record(silences=[SILENCE])
    assert notified_record(before, result) == before


def test_the_checks_of_the_channels_count() -> None:
    merged = notified_record(record(silences=[SILENCE]), {"checks": [CHANNEL]}, report_host="monitor")
    assert (merged["status"], merged["health"]) == ("warning", "DEGRADED")
    assert merged["hosts"]["monitor"]["roles"]["notify"]["checks"][0]["subject"] == "mail a@b.example"
    quiet = notified_record(record(silences=[SILENCE]), {"checks": [CHANNEL]}, silences=[{key: value for key, value in SILENCE.items() if key != "hosts"}])
    assert quiet["health"] == "HEALTHY"


def test_they_join_what_is_said_of_silences() -> None:
    before = record(silences=[{**SILENCE, "until": "2020-01-01T00:00:00Z"}])
    merged = notified_record(before, {"checks": [CHANNEL]})
    assert [check["check"] for check in merged["hosts"]["localhost"]["roles"]["notify"]["checks"]] == ["notify.silence", "notify.channel"]


@pytest.mark.parametrize(
    ("result", "says"),
    [
        ({"failed": True, "msg": "run x holds the lock"}, "run x holds the lock"),
        ({"unreachable": True, "msg": "No route"}, "the report host is unreachable: No route"),
    ],
)
def test_a_call_that_failed_is_unknown_with_the_reason(result: Mapping[str, Any], says: str) -> None:
    entry = notified_record(record(), result)["hosts"]["localhost"]["roles"]["notify"]
    assert entry["status"] == "unknown" and says in entry["checks"][0]["summary"]


def test_the_contacts_of_a_description() -> None:
    mail = {"type": "mail", "address": "a@ops.example"}
    contacts = [{"role": "admin", "audiences": ["operations"], "channels": [mail, {"type": "phone", "address": "+49 30 1234567"}]}]
    found = notify_contacts({"name": "P", "root": "/srv/p", "contacts": contacts})
    assert found == [{"role": "admin", "audiences": ["operations"], "level": 1, "order": 1, "channels": [mail]}]
    assert notify_contacts({"name": "P", "root": "/srv/p"}) == notify_contacts({}) == []
    with pytest.raises(AnsibleFilterError, match="contacts"):
        notify_contacts({"name": "P", "root": "/srv/p", "contacts": [{}]})
