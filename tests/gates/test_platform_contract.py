"""The platform description: the page explains every key, its examples and the inventories are right, runs begin with it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from checkout import CHECKOUT, FQCN, read_yaml
from playing import Place

from ansible_collections.upkeep.runbook.plugins.module_utils.platform_description import validate_platform
from ansible_collections.upkeep.runbook.plugins.module_utils.platform_items import Host, service_probes
from ansible_collections.upkeep.runbook.plugins.module_utils.platform_schema import PLATFORM
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.options import read_probes
from ansible_collections.upkeep.runbook.plugins.module_utils.schema_kinds import Field, ListOf, Record

PAGE = (CHECKOUT / "docs" / "platform.md").read_text(encoding="utf-8")
INVENTORIES = sorted(path.name for path in (CHECKOUT / "inventories").iterdir())


def keys(record: Record, path: str = "") -> Iterator[tuple[str, Field]]:
    """Yield the path of every key and what the schema says of it."""
    for name, entry in record.fields.items():
        here = f"{path}.{name}" if path else name
        yield here, entry
        kind = entry.kind
        while isinstance(kind, ListOf):
            kind, here = kind.item, f"{here}[]"
        if isinstance(kind, Record):
            yield from keys(kind, here)


def in_words(entry: Field) -> tuple[str, str]:
    """Return type and default of a key as the page writes them."""
    default = "required" if entry.required else "" if entry.default is None else json.dumps(entry.default)
    return entry.kind.label, default.replace('"', "")


def test_the_page_explains_every_key_with_its_type_and_default() -> None:
    rows = re.findall(r"^\| `([^`]+)` \| ([^|]+) \|([^|]*)\| ([^|]+) \|$", PAGE.split("## Every key")[1], re.MULTILINE)
    explained = {key: (kind.strip(), default.strip()) for key, kind, default, _meaning in rows}
    assert len(explained) == len(rows), "no key twice"
    assert explained == {path: in_words(entry) for path, entry in keys(PLATFORM)}


def test_the_examples_of_the_page_are_right() -> None:
    whole: dict[str, Any] = {"name": "x", "root": "/x"}
    service: dict[str, Any] = {"name": "answers", "port": 1}
    blocks = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
    for block in blocks:
        if "upkeep_platform" in block:
            validate_platform(block["upkeep_platform"])
        elif set(block) & {"http", "websocket"}:
            service.update(block)
        elif "health_probes" not in block:
            whole.update(block)
    whole["services"].append(service)
    validate_platform(whole)
    assert set(whole) == set(PLATFORM.fields), "each top key has an example"


def inventory(place: Place, name: str) -> dict[str, Any]:
    """Return the variables of each host and the groups, as Ansible reads them."""
    listing = place.run(
        "ansible-inventory", "-i", str(CHECKOUT / "inventories" / name), "--list",
        ANSIBLE_CONFIG=str(CHECKOUT / "ansible.cfg"), cwd=CHECKOUT,
    )
    assert listing.returncode == 0, listing.stderr
    return dict(json.loads(listing.stdout))


@pytest.mark.parametrize("name", INVENTORIES)
def test_every_service_of_an_inventory_is_looked_at(name: str, tmp_path: Path) -> None:
    """The module accepts the probes, and each way in which a service can be looked at is a probe of some host."""
    listing = inventory(Place.fresh(tmp_path), name)
    members = {group: listing[group].get("hosts", []) for group in listing["all"]["children"] if group in listing}
    hosts = listing["_meta"]["hostvars"]
    description = read_yaml(CHECKOUT / "inventories" / name / "group_vars" / "all.yml")["upkeep_platform"]
    validated = validate_platform(description, groups={"all": list(hosts), **members})
    assert not [warning for warning in validated.warnings if "only examples" not in warning]
    seen = set()
    for host in hosts:
        groups = [group for group, names in members.items() if host in names]
        probes = service_probes(validated.platform, Host(host, groups))
        seen |= {(probe.name, probe.type) for probe in read_probes(probes, {})}
    expected = set()
    for service in validated.platform["services"]:
        ways = [way for way in ("unit", "pm2", "process", "port", "http", "websocket", "tcp") if service[way]]
        expected |= {(service["name"], way) for way in ways}
        if service["upstream"]:
            expected.add((f"{service['name']} upstream", "tcp"))
    assert seen == expected


@pytest.mark.parametrize("name", sorted(set(INVENTORIES) - {"demo"}))
def test_the_platforms_of_the_manuals_show_every_kind_of_item(name: str) -> None:
    described = read_yaml(CHECKOUT / "inventories" / name / "group_vars" / "all.yml")["upkeep_platform"]
    assert {"services", "node_projects", "certificates", "web_logs", "backup", "contacts"} <= set(described)


PLAY = f"""
- name: Begin a run
  hosts: all
  gather_facts: false
  ignore_unreachable: true
  ignore_errors: true
  roles:
    - role: {FQCN}.platform
  tasks:
    - name: Look on
      ansible.builtin.debug:
        msg: "looked at {{{{ inventory_hostname }}}} in {{{{ platform_run_id }}}}"
- name: Report
  hosts: all
  gather_facts: false
  tasks:
    - name: Tell
      ansible.builtin.debug:
        msg: "{{{{ item }}}} was reached: {{{{ hostvars[item].platform_result is reachable }}}}"
      loop: "{{{{ ansible_play_hosts_all }}}}"
      run_once: true
"""

HOSTS = """
all:
  vars:
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
  hosts:
    gone:
      ansible_host: 127.0.0.1
      ansible_port: 1
      ansible_ssh_common_args: -o BatchMode=yes -o ConnectTimeout=5
    here:
      ansible_connection: local
"""


def begin_run(root: Path, description: Any = None) -> tuple[int, str]:
    """Run role platform as a cadence does; return the exit status and the output on one line."""
    (root / "hosts.yml").write_text(HOSTS, encoding="utf-8")
    (root / "play.yml").write_text(PLAY, encoding="utf-8")
    variables = {} if description is None else {"upkeep_platform": description}
    done = Place.fresh(root / "user").run_in_checkout(
        "-i", str(root / "hosts.yml"), str(root / "play.yml"), "-e", json.dumps(variables)
    )
    return done.returncode, re.sub(r"\s+", " ", done.stdout + done.stderr)


def test_a_run_goes_on_without_an_unreachable_host(tmp_path: Path) -> None:
    description = {"name": "x", "root": "/x", "services": [{"name": "a", "http": "https://www.example.com/"}]}
    status, output = begin_run(tmp_path, description)
    assert status == 0, output
    assert re.search(r"looked at here in \d{8}T\d{6}Z-[0-9a-f]{8}\b", output)
    assert "looked at gone" not in output
    assert "gone was reached: False" in output
    assert "here was reached: True" in output
    assert (
        output.count("[WARNING]: upkeep_platform: names or addresses that are only examples stand in services[0].http")
        == 1
    )


@pytest.mark.parametrize(
    "description, sentence",
    [
        (
            None,
            "upkeep_platform is not set: describe the platform in the inventory, for example in group_vars/all.yml, with "
            "at least `upkeep_platform: {name: My platform, root: /opt/my-platform}`",
        ),
        ("production", 'upkeep_platform must be a mapping, not "production": describe the platform in the inventory'),
        (
            {"name": "x", "root": "/x", "services": [{"name": "a", "prot": 1}]},
            'upkeep_platform is wrong: services[0].prot: unknown key; did you mean "port"? accepted: name, hosts,',
        ),
        (
            {"name": "x", "root": "/x", "services": [{"name": "a", "port": 1, "hosts": ["her"]}]},
            'services[0].hosts[0]: "her" is no host or group of the inventory; did you mean "here"?',
        ),
    ],
)
def test_a_mistake_ends_the_run_with_one_message(tmp_path: Path, description: Any, sentence: str) -> None:
    status, output = begin_run(tmp_path, description)
    assert status == 2
    assert sentence in output
    assert output.count("fatal: ") == 1, "once, however many hosts there are"
    assert "caused by" not in output
    assert "looked at" not in output
