"""Which access logs a host has, by the description."""

from __future__ import annotations

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.options import read_groups
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.platform_description import validate_platform
from ansible_collections.upkeep.runbook.plugins.module_utils.platform_items import Host
from ansible_collections.upkeep.runbook.plugins.module_utils.platform_web_logs import access_log_groups
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.access_logs.log_lines import EXTENDED, options

LOGS = [
    {"paths": ["/var/log/nginx/access.log*"], "hosts": ["web"]},
    {
        "name": "api", "paths": ["/opt/api/access.log"], "error_paths": ["/opt/api/error.log"], "format": EXTENDED,
        "trusted_proxies": ["10.0.0.0/8"], "exclude_routes": ["/health"], "exclude_agents": ["kube-probe/*"],
        "auth_routes": ["/in", "GET /admin/*"], "objective_percent": 0.0,
    },
    {"paths": ["/opt/app/access.json"], "format": "json", "fields": {"client": "request.remote_ip"}, "hosts": ["other"]},
]  # fmt: skip


def test_the_groups_of_a_host_are_what_the_module_takes() -> None:
    platform = validate_platform({"name": "P", "root": "/opt/app", "web_logs": LOGS}).platform
    groups = access_log_groups(platform, Host("alpha", ["web"]))
    assert groups == [{"paths": ["/var/log/nginx/access.log*"]}, LOGS[1]]
    assert [group.name for group in read_groups(options(groups=groups))] == ["/var/log/nginx/access.log*", "api"]
    (json_group,) = [group for group in access_log_groups(platform, Host("other", [])) if group.get("format") == "json"]
    assert read_groups(options(groups=[json_group]))[0].keys["client"] == (("request", "remote_ip"),)


def test_a_format_that_is_none_is_named_with_its_place() -> None:
    with pytest.raises(
        UpkeepError, match=r"web_logs\[0\].format: must be the format of an access log; it has no time; log \$time_local"
    ):
        validate_platform({"name": "P", "root": "/", "web_logs": [{"paths": ["/a"], "format": "x $status"}]})


def test_a_route_of_logins_that_is_none_is_named_with_its_place() -> None:
    with pytest.raises(UpkeepError, match=r"web_logs\[0\].auth_routes\[1\]: must be the pattern of a path; 'login' is not accepted"):
        validate_platform({"name": "P", "root": "/", "web_logs": [{"paths": ["/a"], "auth_routes": ["/login", "login"]}]})


@pytest.mark.parametrize("host", ["alpha", "beta"])
def test_nothing_described_is_nothing_to_look_at(host: str) -> None:
    assert access_log_groups(validate_platform({"name": "P", "root": "/"}).platform, Host(host, [])) == []
