"""Options that are wrong are refused before anything is looked at, by index and key."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.certificates.options import Endpoint, read_options
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError


def test_the_forms_of_an_endpoint(options: dict[str, Any]) -> None:
    given = [
        "www.example.com:443",
        "[2001:db8::1]:8443",
        {"host": "mail.example.com", "port": "25", "starttls": "smtp", "server_name": "", "ca_file": None},
        {"host": "db.internal", "port": 5432, "starttls": "postgres", "server_name": "db", "ca_file": "/ca.pem"},
    ]
    found = read_options({**options, "endpoints": given}).endpoints
    assert found == (
        Endpoint("www.example.com", 443),
        Endpoint("2001:db8::1", 8443),
        Endpoint("mail.example.com", 25, starttls="smtp"),
        Endpoint("db.internal", 5432, "db", "postgresql", "/ca.pem"),
    )
    assert [str(endpoint) for endpoint in found] == [
        "www.example.com:443", "[2001:db8::1]:8443", "mail.example.com:25", "db.internal:5432 (db)",
    ]  # fmt: skip


def test_an_endpoint_is_asked_once(options: dict[str, Any]) -> None:
    served = [{"path": "/a.pem", "endpoint": {"host": "www.example.com", "port": 443}, "hint": None}]
    given = {**options, "endpoints": ["www.example.com:443", "www.example.com:443"], "served_by": served}
    assert read_options(given).endpoints == (Endpoint("www.example.com", 443),)


def test_an_endpoint_is_asked_as_it_is_described_first(options: dict[str, Any]) -> None:
    first = {"host": "db.internal", "port": 5432, "starttls": "postgresql", "ca_file": "/ca.pem"}
    served = [{"path": "/a.pem", "endpoint": "db.internal:5432", "hint": None}]
    found = read_options({**options, "endpoints": ["a.internal:1", first, "b.internal:2"], "served_by": served}).endpoints
    assert [str(endpoint) for endpoint in found] == ["a.internal:1", "db.internal:5432", "b.internal:2"]
    assert (found[1].starttls, found[1].ca_file) == ("postgresql", "/ca.pem")


def test_passphrases_are_all_tried(options: dict[str, Any]) -> None:
    given = {**options, "paths": ["/a"], "passphrase": "", "passphrases": ["b", "c"]}
    assert read_options(given).passphrases == ("", "b", "c")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "There is nothing to look at: give paths, endpoints or served_by."),
        ({"private_keys": ["/key.pem"]}, "There is nothing to look at"),
        ({"paths": ["relative.pem"]}, "paths[0]: 'relative.pem' is not accepted; give an absolute path"),
        ({"paths": ["/a\0b"]}, "paths[0]: '/a\\x00b' is not accepted"),
        ({"paths": ["/a"], "private_keys": ["/b", "c"]}, "private_keys[1]: 'c' is not accepted"),
        ({"paths": ["/a"], "ca_file": "ca.pem"}, "ca_file: 'ca.pem' is not accepted"),
        ({"paths": ["/a"], "ca_file": "/ca.pem", "verify_chain": False}, "verify_chain is false"),
        ({"paths": ["/a"], "timeout_seconds": 0.0}, "timeout_seconds: 0 is not accepted; give 0.1 to 300."),
        ({"paths": ["/a"], "timeout_seconds": float("nan")}, "timeout_seconds: nan is not accepted"),
        ({"paths": ["/a"], "concurrency": 0}, "concurrency: 0 is not accepted"),
        ({"paths": ["/a"], "warning_days": 1.0}, "warning_days: 1 is less than critical_days, 7"),
        ({"endpoints": ["www.example.com"]}, "endpoints[0] must be host:port"),
        ({"endpoints": ["a:1", "b:99999"]}, "endpoints[1] must be host:port"),
        ({"endpoints": [443]}, "endpoints[0] must be host:port or a mapping"),
        ({"endpoints": [{"host": "a"}]}, "endpoints[0].port is missing"),
        ({"endpoints": [{"host": "a", "prot": 1}]}, "endpoints[0].prot is not known; the keys are host, port"),
        ({"endpoints": [{"host": "a b", "port": 1}]}, "endpoints[0].host must be a host name"),
        ({"endpoints": [{"host": "a", "port": True}]}, "endpoints[0].port must be a whole number"),
        ({"endpoints": [{"host": "a", "port": 0}]}, "endpoints[0].port must be a whole number from 1 to 65535"),
        ({"endpoints": [{"host": "a", "port": 1, "starttls": "irc"}]}, "endpoints[0].starttls must be one of smtp, imap"),
        ({"served_by": [{"path": "/a", "endpoint": "b", "hint": None}]}, "served_by[0].endpoint must be host:port"),
        ({"served_by": [{"path": "a", "endpoint": "b:1", "hint": None}]}, "served_by[0].path: 'a' is not accepted"),
    ],
)
def test_what_is_wrong_is_refused_in_words(options: dict[str, Any], given: dict[str, Any], said: str) -> None:
    with pytest.raises(UpkeepError) as refused:
        read_options({**options, **given})
    assert said in refused.value.message
