"""The filters of the platform description, called as playbooks call them: from templates, with Ansible's own containers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from ansible_collections.upkeep.runbook.plugins.filter import platform_mistakes

CHECKOUT = Path(__file__).parents[4]

# Ansible finds collections through an import hook of its own, which must be there before anything of a collection is
# imported. Here, pytest has imported some already.
RENDER = """
import json, sys
from ansible.plugins.loader import init_plugin_loader
init_plugin_loader([sys.argv[1]])
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

def trusted(value):
    if isinstance(value, dict):
        return {key: trusted(item) for key, item in value.items()}
    if isinstance(value, list):
        return [trusted(item) for item in value]
    return trust_as_template(value) if isinstance(value, str) else value

def rendered(expression, variables):
    try:
        templar = Templar(loader=DataLoader(), variables=trusted(variables))
        return {"value": templar.template(trusted("{{ " + expression + " }}"))}
    except Exception as error:
        return {"error": str(error)}

print(json.dumps(rendered(*json.load(sys.stdin))))
"""

# As in an inventory: with templates inside, which Ansible fills in when an item is read.
DESCRIPTION = {
    "name": "{{ company }} FX",
    "root": "/opt/{{ company | lower }}",
    "services": [
        {
            "name": "ticks",
            "hosts": ["backend"],
            "port": "{{ port }}",
            "unit": "ticks",
            "upstream": {"host": "api.internal", "port": "{{ port + 1 }}"},
        },
        {"name": "elsewhere", "hosts": ["other"], "port": 1},
    ],
}
GROUPS = {"all": ["a", "b"], "backend": ["a"], "other": ["b"]}


def render(expression: str, **variables: Any) -> dict[str, Any]:
    """Return the value of an expression or its error."""
    known = {"company": "NeuroSense", "port": 8081, "inventory_groups": GROUPS, "upkeep_platform": DESCRIPTION}
    done = subprocess.run(
        [sys.executable, "-c", RENDER, str(CHECKOUT / ".collections")],
        input=json.dumps([expression, {**known, **variables}]),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return dict(json.loads(done.stdout))


def test_platform_returns_the_description_normalized() -> None:
    platform = render("upkeep_platform | upkeep.runbook.platform(inventory_groups)")["value"]
    assert (platform["name"], platform["root"]) == ("NeuroSense FX", "/opt/neurosense")
    assert platform["services"][0]["port"] == 8081
    assert platform["services"][0]["unit"] == "ticks.service"
    assert platform["backup"] is None


def test_health_probes_are_those_of_the_host() -> None:
    log = "Read its log: journalctl -u ticks.service -n 100"
    upstream = "ticks cannot work without api.internal:8082; look at the network, then ask who runs it."
    tcp = {"type": "tcp", "host": "api.internal", "port": 8082, "tls": False}
    assert render("upkeep_platform | upkeep.runbook.health_probes('a', ['backend'])") == {
        "value": [
            {"name": "ticks", "type": "unit", "unit": "ticks.service", "hint": log},
            {"name": "ticks", "type": "port", "port": 8081, "unit": "ticks.service", "hint": log},
            {"name": "ticks upstream", **tcp, "hint": upstream},
        ]
    }
    assert render("upkeep_platform | upkeep.runbook.health_probes('c', [])") == {"value": []}


def test_backup_groups_are_those_of_the_host() -> None:
    source = {"name": "application", "paths": ["/opt/{{ company }}"], "hosts": ["backend"], "pattern": "app-*"}
    backup = {"directory": "/backup/{{ company | lower }}", "sources": [source]}
    description = {**DESCRIPTION, "backup": backup}
    call = "upkeep_platform | upkeep.runbook.backup_groups"
    expected = {"value": [{"name": "application", "directory": "/backup/neurosense", "pattern": ["app-*"], "manifest": "optional"}]}
    assert render(f"{call}('a', ['backend'])", upkeep_platform=description) == expected
    assert render(f"{call}('c', [])", upkeep_platform=description) == {"value": []}
    assert "unknown key" in render(f"{call}('a', [])", upkeep_platform={**DESCRIPTION, "rot": "/"})["error"]


def test_the_plans_of_backup_and_recovery_are_those_of_the_host() -> None:
    description = {
        **DESCRIPTION,
        "databases": [{"type": "mysql", "name": "{{ company | lower }}"}],
        "backup": {"directory": "/backup", "sources": [{"name": "application", "paths": ["/opt/{{ company }}"], "hosts": ["backend"]}]},
    }
    call = "upkeep_platform | upkeep.runbook.backup_plan"
    plan = render(f"{call}('a', ['backend'], {{'mysql-neurosense.sql': 'the ' + company}})", upkeep_platform=description)["value"]
    assert plan["sources"] == [{"name": "application", "paths": ["/opt/NeuroSense"], "exclude": [], "one_file_system": True}]
    assert (plan["label"], plan["dumps"][0]["password"]) == ("neurosense-fx-a", "the NeuroSense")
    recovery = render("upkeep_platform | upkeep.runbook.recovery_plan('a', ['backend'])", upkeep_platform=description)["value"]
    assert (recovery["targets"], recovery["services"][0]["unit"]) == (["/opt/NeuroSense"], "ticks.service")
    for name in ("backup_plan", "recovery_plan"):
        assert render(f"upkeep_platform | upkeep.runbook.{name}('c', [])", upkeep_platform=description) == {"value": {}}


def test_resource_paths_are_those_of_the_host() -> None:
    expected = {"value": [{"path": "/"}, {"path": "/opt/neurosense"}]}
    assert render("upkeep_platform | upkeep.runbook.resource_paths('a', ['backend'])") == expected


CERTIFICATES = {
    "hosts": ["backend"],
    "paths": ["/etc/{{ company | lower }}/*.pem"],
    "key_files": ["/etc/{{ company | lower }}/*.key"],
    "endpoints": ["www.internal:{{ port }}", {"host": "mail.internal", "port": 25, "starttls": "smtp"}],
    "served_by": [{"path": "/etc/www.pem", "endpoint": "www.internal:443"}],
}


def test_certificate_sources_are_those_of_the_host() -> None:
    description = {**DESCRIPTION, "certificates": CERTIFICATES}
    www = {"host": "www.internal", "port": 443}
    expected = {
        "paths": ["/etc/neurosense/*.pem"],
        "private_keys": ["/etc/neurosense/*.key"],
        "endpoints": [{**www, "port": 8081}, {"host": "mail.internal", "port": 25, "starttls": "smtp"}],
        "served_by": [{"path": "/etc/www.pem", "endpoint": www}],
        "ca_file": "",
    }
    assert render("upkeep_platform | upkeep.runbook.certificate_sources('a', ['backend'])", upkeep_platform=description) == {
        "value": expected
    }
    nothing = {"paths": [], "private_keys": [], "endpoints": [], "served_by": [], "ca_file": ""}
    assert render("upkeep_platform | upkeep.runbook.certificate_sources('b', ['other'])", upkeep_platform=description) == {
        "value": nothing
    }
    assert render("upkeep_platform | upkeep.runbook.certificate_sources('a', [])") == {"value": nothing}


def test_log_groups_are_those_of_the_host() -> None:
    services = [{"name": "ticks", "unit": "ticks.service", "hosts": ["a"], "logs": ["/logs/a.log"], "reopen": {"signal": "USR1"}}]
    description = {**DESCRIPTION, "services": services}
    expected = [{"name": "ticks", "paths": ["/logs/a.log"], "reopen": {"signal": "USR1", "unit": "ticks.service"}}]
    call = "upkeep_platform | upkeep.runbook.log_groups"
    assert render(f"{call}('a', [])", upkeep_platform=description) == {"value": expected}
    assert render(f"{call}('b', [])", upkeep_platform=description) == {"value": []}


def test_access_log_groups_are_those_of_the_host() -> None:
    description = {**DESCRIPTION, "web_logs": [{"name": "www", "paths": ["/logs/access.log*"], "hosts": ["a"]}]}
    call = "upkeep_platform | upkeep.runbook.access_log_groups"
    assert render(f"{call}('a', [])", upkeep_platform=description) == {"value": [{"name": "www", "paths": ["/logs/access.log*"]}]}
    assert render(f"{call}('b', [])", upkeep_platform=description) == {"value": []}


def test_looked_at_databases_are_those_of_the_host() -> None:
    description = {**DESCRIPTION, "databases": [{"type": "mysql", "name": "shop", "hosts": ["a"]}]}
    call = "upkeep_platform | upkeep.runbook.looked_at_databases"
    found = {"type": "mysql", "database": "shop", "password": "hush"}
    assert render(f"{call}('a', [], {{'mysql-shop.sql': 'hush'}})", upkeep_platform=description) == {"value": [found]}
    assert render(f"{call}('b', [])", upkeep_platform=description) == {"value": []}


CALLS = [
    "platform", "health_probes('a', [])", "resource_paths('a', [])", "certificate_sources('a', [])", "log_groups('a', [])", "log_scan_groups('a', [])",
    "access_log_groups('a', [])", "looked_at_databases('a', [])", "backup_plan('a', [])", "recovery_plan('a', [])",
]


@pytest.mark.parametrize("call", CALLS)
def test_a_mistake_fails_the_template_with_the_message(call: str) -> None:
    error = render(f"upkeep_platform | upkeep.runbook.{call}", upkeep_platform={**DESCRIPTION, "rot": "/"})["error"]
    assert 'upkeep_platform is wrong: rot: unknown key; did you mean "root"? accepted: name, root,' in error


def test_mistakes_are_returned_as_a_text() -> None:
    call = "upkeep_platform | default(none) | upkeep.runbook.platform_mistakes(inventory_groups)"
    assert render(call) == {"value": ""}
    assert render(call, inventory_groups={"all": ["a"], "other": ["a"]})["value"] == (
        'upkeep_platform is wrong: services[0].hosts[0]: "backend" is no host or group of the inventory; accepted: '
        "a, all, other (every key is explained in docs/platform.md of upkeep.runbook)"
    )


def test_a_variable_that_is_not_there_gives_the_sentence_that_says_what_to_write() -> None:
    message = render("no_such_variable | default(none) | upkeep.runbook.platform_mistakes")["value"]
    assert message.startswith("upkeep_platform is not set: describe the platform in the inventory")


def test_a_description_that_contains_itself_is_a_mistake() -> None:
    endless: dict[str, Any] = {"name": "x", "root": "/x"}
    endless["services"] = [endless]
    assert "nested more than 50 levels deep" in platform_mistakes.platform_mistakes(endless)


def test_what_deserves_a_look_is_printed_as_a_warning() -> None:
    description = {"name": "x", "root": "/x", "services": [{"name": "a", "http": "https://www.example.com/"}]}
    with mock.patch.object(platform_mistakes, "Display") as display:
        assert platform_mistakes.platform_mistakes(description) == ""
    display().warning.assert_called_once_with(
        "upkeep_platform: names or addresses that are only examples stand in services[0].http: write the real ones."
    )


def test_projects_are_those_of_the_host_each_once() -> None:
    description = {
        **DESCRIPTION,
        "node_projects": [
            "{{ '/opt/shop' }}", {"path": "/opt/shop/api", "hosts": ["backend"]}, {"path": "/opt/b", "hosts": ["other"]}, "/opt/shop",
        ],
    }
    expression = "upkeep_platform | upkeep.runbook.dependency_projects('a', ['backend'])"
    assert render(expression, upkeep_platform=description) == {"value": ["/opt/shop", "/opt/shop/api"]}
    assert render(expression) == {"value": []}
    wrong = render(expression, upkeep_platform={**description, "node_projects": ["relative"]})
    assert "node_projects[0]" in wrong["error"]
