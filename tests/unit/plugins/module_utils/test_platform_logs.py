"""Which logs a host has, and how their writers are told, by the description."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.options import read_options
from ansible_collections.upkeep.runbook.plugins.module_utils.platform_description import validate_platform
from ansible_collections.upkeep.runbook.plugins.module_utils.platform_items import Host
from ansible_collections.upkeep.runbook.plugins.module_utils.platform_logs import log_groups, scanned_groups
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.rules import read_groups
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.log_scanning.scanning import whole_options

LOG = "/opt/app/logs/app.log"


def groups_of(**service: Any) -> list[dict[str, Any]]:
    description = {"name": "P", "root": "/opt/app", "owner": "app", "services": [{"name": "s", **service}]}
    return log_groups(validate_platform(description).platform, Host("alpha", ["web"]))


@pytest.mark.parametrize(
    ("service", "reopen"),
    [
        ({"unit": "a.service"}, None),
        ({"unit": "a.service", "reopen": {"signal": "USR1"}}, {"signal": "USR1", "unit": "a.service"}),
        ({"unit": "a.service", "reopen": {"signal": "HUP", "pid_file": "/run/a.pid"}}, {"signal": "HUP", "pid_file": "/run/a.pid"}),
        ({"process": "node a.js", "reopen": {"signal": "USR1"}}, {"signal": "USR1", "process": "node a.js", "user": "app"}),
        ({"process": {"pattern": "x", "user": "u"}, "reopen": {"signal": "USR1"}}, {"signal": "USR1", "process": "x", "user": "u"}),
        ({"pm2": "backend"}, {"pm2": True, "user": "app"}),
        ({"pm2": {"app": "backend", "user": "u"}}, {"pm2": True, "user": "u"}),
        ({"pm2": "backend", "reopen": {"command": ["/opt/app/reopen", "now"]}}, {"command": ["/opt/app/reopen", "now"]}),
    ],
)
def test_how_a_writer_is_told(service: dict[str, Any], reopen: dict[str, Any] | None) -> None:
    expected = {"name": "s", "paths": [LOG], **({"reopen": reopen} if reopen else {})}
    groups = groups_of(logs=[LOG], **service)
    assert groups == [expected]
    shared = {"compress": "gzip", "method": "rename"}
    assert read_groups({**shared, "groups": groups})[0].paths == (LOG,), "the module takes what is derived"


def test_a_service_without_logs_or_on_other_hosts_has_no_group() -> None:
    assert groups_of(unit="a.service") == []
    assert groups_of(unit="a.service", logs=[LOG], hosts=["beta"]) == []
    assert len(groups_of(unit="a.service", logs=[LOG], hosts=["web"])) == 1


def test_what_is_scanned_are_logs_or_else_the_journal() -> None:
    services = [
        {"name": "files", "unit": "a.service", "logs": [LOG], "reopen": {"signal": "USR1"}},
        {"name": "journal", "unit": "b.service"},
        {"name": "nothing", "process": "node c.js"},
        {"name": "elsewhere", "unit": "d.service", "logs": [LOG], "hosts": ["beta"]},
    ]
    description = {"name": "P", "root": "/opt/app", "owner": "app", "services": services}
    groups = scanned_groups(validate_platform(description).platform, Host("alpha", ["web"]))
    assert groups == [{"name": "files", "paths": [LOG]}, {"name": "journal", "journal": {"units": ["b.service"]}}]
    read = read_options(whole_options({"groups": groups}), utc_now())
    assert [group.name for group in read.groups] == ["files", "journal"], "the module takes what is derived"
