"""What the description says about the security configuration is what the module accepts."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.certificates.options import read_endpoints
from ansible_collections.upkeep.runbook.plugins.module_utils.platform_configuration import configuration_sources
from ansible_collections.upkeep.runbook.plugins.module_utils.platform_description import PlatformError, validate_platform
from ansible_collections.upkeep.runbook.plugins.module_utils.platform_items import Host
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.secret_files import read_secrets

ALPHA = Host("alpha", ["web"])


def sources(host: Host = ALPHA, **keys: Any) -> dict[str, Any]:
    return configuration_sources(validate_platform({"name": "x", "root": "/x", **keys}).platform, host)


def paths(found: dict[str, Any], *, optional: bool) -> list[str]:
    return [secret["path"] for secret in found["secrets"] if bool(secret.get("optional")) is optional]


def test_a_description_that_says_nothing_names_the_settings_of_its_root() -> None:
    optional = [{"path": "/x/.env", "optional": True}, {"path": "/x/.env.*", "optional": True}]
    assert sources() == sources(security={}) == {"secrets": optional, "endpoints": [], "limited_paths": []}
    assert sources(root_hosts=["db"])["secrets"] == []


def test_secrets_of_a_host_are_named_and_derived() -> None:
    found = sources(
        security={"private_files": ["/x/.env", {"path": "/k/*.pem", "owner": "app", "group": "www-data", "hosts": ["web"]}, {"path": "/d", "hosts": ["db"]}]},
        node_projects=["/x", {"path": "/x/api", "hosts": ["web"]}, {"path": "/x/db", "hosts": ["db"]}],
        certificates={"key_files": ["/etc/keys/*.pem"], "endpoints": ["www.example.com:443"]},
    )  # fmt: skip
    assert found["secrets"][:2] == [{"path": "/x/.env"}, {"path": "/k/*.pem", "owner": "app", "group": "www-data"}]
    assert paths(found, optional=False) == ["/x/.env", "/k/*.pem"]
    assert paths(found, optional=True) == ["/x/.env.*", "/x/api/.env", "/x/api/.env.*", "/etc/keys/*.pem"]
    assert len(read_secrets(found["secrets"], usual=False)) == 6


def test_files_of_the_recovery_are_secrets() -> None:
    found = sources(backup={"directory": "/b", "sources": [{"name": "a", "paths": ["/x"]}]}, recovery={"env_files": [{"path": "/x/settings"}]})
    assert "/x/settings" in paths(found, optional=True)


def test_servers_come_from_the_certificates_once() -> None:
    certificates = {
        "endpoints": ["www.example.com:443", {"host": "mail.example.com", "port": 25, "starttls": "smtp"}], "paths": ["/c.pem"],
        "served_by": [{"path": "/c.pem", "endpoint": "www.example.com:443"}, {"path": "/c.pem", "endpoint": "api.example.com:443"}],
    }  # fmt: skip
    found = sources(certificates=certificates)
    assert [str(endpoint) for endpoint in read_endpoints(found["endpoints"])] == ["www.example.com:443", "mail.example.com:25", "api.example.com:443"]
    assert len(found["endpoints"]) == 3
    assert sources(certificates={**certificates, "hosts": ["db"]})["endpoints"] == []


def test_paths_with_a_limit() -> None:
    assert sources(security={"limited_paths": ["/api/login", "/"]})["limited_paths"] == ["/api/login", "/"]


@pytest.mark.parametrize(
    ("security", "said"),
    [
        ({"private_files": [".env"]}, "security.private_files[0].path: must be an absolute path"),
        ({"private_files": [{"path": "/a", "mode": "0600"}]}, "security.private_files[0].mode: unknown key"),
        ({"private_files": [{"path": "/a", "owner": "a b"}]}, "security.private_files[0].owner: must be the name of a user"),
        ({"limited_paths": ["api"]}, "security.limited_paths[0]: must be an absolute path"),
        ({"private_file": ["/a"]}, 'did you mean "private_files"?'),
    ],
)
def test_a_mistake_is_named(security: Any, said: str) -> None:
    with pytest.raises(PlatformError) as refused:
        sources(security=security)
    assert said in refused.value.message
