"""Jails as the programs of fail2ban print them; the programs themselves have their tests in tests/integration."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.jail_rules import matched_lines, not_ignored, read_dump, read_filters, read_name

DUMP = """['set', 'loglevel', 'INFO']
['add', 'door', 'polling']
['set', 'door', 'addignoreip', '127.0.0.1/8', '192.0.2.0/25', '192.0.2.128/25', 'office.example.com']
['set', 'door', 'addignoreip', '2001:db8::/32']
['add', 'ssh', 'polling']
['start', 'door']
['start', 'ssh']
OK: configuration test is successful
"""


def test_the_jails_that_start_and_whom_they_never_ban() -> None:
    jails = read_dump(DUMP)
    assert list(jails) == ["door", "ssh"] and jails["ssh"] == [] and len(jails["door"]) == 5
    needed = [ip_network("192.0.2.0/24"), ip_network("2001:db8:1::/48"), ip_network("198.51.100.7")]
    assert not_ignored(jails, needed) == {"door": ["198.51.100.7"], "ssh": ["192.0.2.0/24", "2001:db8:1::/48", "198.51.100.7"]}
    assert not_ignored(jails, []) == {}


@pytest.mark.parametrize("line", ["[", "['start', __import__('os')]", "[" * 5000])
def test_a_dump_that_is_none_is_refused_and_not_run(line: str) -> None:
    with pytest.raises(UpkeepError, match="prints what it never does"):
        read_dump(line)


@pytest.mark.parametrize(("output", "found"), [
    ("Lines: 2 lines, 0 ignored, 1 matched, 1 missed\n", 1), ("x\nLines: 1 lines, 0 ignored, 0 matched, 1 missed\n[processed]", 0),
    ("ERROR: Unable to compile", None), ("", None), ("|  Lines: 2 lines, 0 ignored, 2 matched, 0 missed", None),
])
def test_how_many_lines_matched(output: str, found: int | None) -> None:
    assert matched_lines(output) == found


@pytest.mark.parametrize("name", ["", "../x", "a/b", "-c", "a.conf", "a" * 65, "a\n"])
def test_a_file_of_fail2ban_has_a_name_that_is_one(name: str) -> None:
    with pytest.raises(UpkeepError, match="is no name"):
        read_name(name, "name")


@pytest.mark.parametrize("changes", [{"must_match": ["a\nb"]}, {"must_not_match": [" "]}, {"must_match": ["a"] * 1001}, {"must_match": ["a" * 10_001]}])
def test_a_sample_is_one_line(changes: dict[str, Any]) -> None:
    row = {"name": "x", "content": "", "must_match": [], "must_not_match": []}
    assert len(read_filters([row])) == 1
    with pytest.raises(UpkeepError, match="one line"):
        read_filters([{**row, **changes}])
    with pytest.raises(UpkeepError, match="x is there twice"):
        read_filters([row, row])
