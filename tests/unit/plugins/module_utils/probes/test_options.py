"""Options of probes: what is accepted, and what is said of the rest."""

from __future__ import annotations

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.option_table import COMMON, OPTIONS, described_options
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.options import read_probes

GOOD = {"type": "tcp", "port": 80}


def read(*probes, secret_headers=None):
    return read_probes(list(probes), secret_headers or {})


@pytest.mark.parametrize(
    ("probe", "name"),
    [
        ({"type": "http", "url": "http://user:secret@a.test:81/x?y=1"}, "http://a.test:81/x?y=1"),
        ({"type": "websocket", "url": "wss://user:secret@a.test/"}, "wss://a.test/"),
        ({"type": "tcp", "port": 80}, "localhost:80"),
        ({"type": "tcp", "host": "::1", "port": 80}, "[::1]:80"),
        ({"type": "port", "port": 80}, "port 80"),
        ({"type": "port", "port": 80, "address": "127.0.0.1"}, "127.0.0.1:80"),
        ({"type": "process", "pattern": "node"}, "node"),
        ({"type": "process", "exe": "/usr/bin/node"}, "/usr/bin/node"),
        ({"type": "process", "user": "deploy"}, "processes of deploy"),
        ({"type": "unit", "unit": "nginx.service"}, "nginx.service"),
        ({"type": "pm2", "app": "worker"}, "worker"),
        ({"type": "dns", "host": "a.test"}, "a.test"),
        ({"type": "command", "argv": ["/usr/bin/check", "--token", "x"]}, "check"),
        ({"type": "tcp", "port": 80, "name": "mine"}, "mine"),
    ],
)
def test_the_name_of_a_probe_is_what_it_looks_at_unless_it_is_given(probe, name):
    (read_probe,) = read(probe)
    assert read_probe.name == name


def test_defaults_are_filled_in_and_null_is_no_value():
    (probe,) = read({"type": "tcp", "port": "8081", "timeout_seconds": None, "expect": None, "retries": "2"})
    assert probe.options["port"] == 8081
    assert probe.options["timeout_seconds"] == 5.0
    assert probe.options["retries"] == 2
    assert probe.options["tls"] is False
    assert set(probe.options) == set(COMMON) | set(OPTIONS["tcp"])


@pytest.mark.parametrize(
    ("probe", "said"),
    [
        ({}, "probes[1].type is missing; accepted values: command, dns, http, pm2, port, process, tcp, unit, websocket"),
        ({"type": "htpp"}, "probes[1].type is 'htpp'; accepted values: command, dns, http"),
        ({"type": "http"}, "probes[1].url is missing; a probe of type http needs it"),
        ({"type": "tcp", "port": None}, "probes[1].port is missing"),
        ({"type": "tcp", "prot": 80}, "probes[1].prot is no option of a probe of type tcp; accepted options: ca_file, conse"),
        ({"type": "tcp", "port": 80, "url": "http://a.test"}, "probes[1].url is no option of a probe of type tcp"),
        ({"type": "tcp", "port": 80, "warning_restarts": 1}, "probes[1].warning_restarts is no option"),
        ({"type": "tcp", "port": 80, "hint": ["x"]}, "probes[1].hint must be a text that is not empty, not ['x']"),
        ({"type": "tcp", "port": 0}, "probes[1].port must be a whole number from 1 to 65535, not 0"),
        ({"type": "tcp", "port": "http"}, "probes[1].port must be a whole number from 1 to 65535, not 'http'"),
        ({"type": "tcp", "port": True}, "probes[1].port must be a whole number"),
        ({"type": "tcp", "port": 80.5}, "probes[1].port must be a whole number"),
        ({**GOOD, "timeout_seconds": 0}, "probes[1].timeout_seconds must be a number from 0.01 to 3600, not 0"),
        ({**GOOD, "timeout_seconds": "nan"}, "probes[1].timeout_seconds must be a number"),
        ({**GOOD, "tls": "maybe"}, "probes[1].tls must be true or false, not 'maybe'"),
        ({**GOOD, "expect": "(a"}, "probes[1].expect must be a regular expression of Python, not '(a'"),
        ({**GOOD, "host": "a b"}, "probes[1].host must be a name without spaces"),
        ({**GOOD, "host": "--help"}, "does not begin with -"),
        ({**GOOD, "name": ""}, "probes[1].name must be a text that is not empty"),
        ({**GOOD, "name": ["x"]}, "probes[1].name must be a text"),
        ({**GOOD, "ca_file": "/x"}, "probes[1].tls must be true for ca_file"),
        ({**GOOD, "warning_seconds": 2, "critical_seconds": 1}, "probes[1].warning_seconds (2) must not be more than"),
        ({"type": "http", "url": "ftp://u:secret@a.test/"}, "probes[1].url must be a URL, but it must begin with http:// or"),
        ({"type": "websocket", "url": "http://a.test/"}, "it must begin with ws:// or wss://"),
        ({"type": "http", "url": "http://a.test", "headers": ["x"]}, "probes[1].headers must be a dictionary"),
        ({"type": "http", "url": "http://a.test", "headers": {"a b": "x"}}, "a key that is no header name: 'a b'"),
        ({"type": "http", "url": "http://a.test", "headers": {"A": "secret\r\nB: c"}}, "must be texts on one line"),
        ({"type": "http", "url": "http://a.test", "expect_status": []}, "must be a list that is not empty"),
        ({"type": "http", "url": "http://a.test", "expect_status": [200, "ok"]}, "from 100 to 599, not 'ok'"),
        ({"type": "http", "url": "http://a.test", "expect_headers": {"A": "("}}, "must be a regular expression"),
        ({"type": "http", "url": "http://a.test", "method": "GET /"}, "must be an HTTP method"),
        ({"type": "http", "url": "http://a.test", "follow_redirects": 21}, "from 0 to 20"),
        ({"type": "process"}, "give at least one of pattern, exe, user"),
        ({"type": "process", "pattern": "x", "minimum": 3, "maximum": 2}, "probes[1].minimum (3) must not be more than"),
        ({"type": "port", "port": 80, "address": "localhost"}, "must be an IPv4 or IPv6 address, not 'localhost'"),
        ({"type": "unit", "unit": "app*"}, "must be the name of one systemd unit"),
        ({"type": "unit", "unit": "app", "expect_state": ["up"]}, "must be one of active, inactive, activating, not 'up'"),
        ({"type": "dns", "host": "a.test", "server": "192.0.2.1"}, "record must be A or AAAA"),
        ({"type": "command", "argv": []}, "probes[1].argv must be a list that is not empty"),
        ({"type": "command", "argv": ["x\0y"]}, "without NUL"),
    ],
)
def test_a_wrong_option_is_named_with_index_and_what_is_accepted(probe, said):
    with pytest.raises(UpkeepError) as refused:
        read({"type": "tcp", "port": 1}, probe)
    assert said in refused.value.message, refused.value.message
    assert "secret" not in refused.value.message


def test_two_probes_of_one_type_need_two_names():
    with pytest.raises(UpkeepError) as refused:
        read(GOOD, {"type": "port", "port": 80}, {**GOOD, "timeout_seconds": 1})
    assert refused.value.message == (
        "probes[2] is a second tcp probe named 'localhost:80', after probes[0]; give one of them another name"
    )
    assert len(read({**GOOD, "name": "app"}, {"type": "port", "port": 80, "name": "app"})) == 2


def test_secret_headers_reach_the_probes_of_their_name_and_no_other():
    probes = read(
        {"type": "http", "url": "http://a.test", "name": "app", "headers": {"A": "1", "B": "1"}},
        {"type": "websocket", "url": "ws://a.test", "name": "app"},
        {"type": "tcp", "port": 80, "name": "app"},
        {"type": "http", "url": "http://a.test", "name": "other"},
        secret_headers={"app": {"B": "2"}, "on another host": {"C": "3"}},
    )
    assert [probe.options.get("headers") for probe in probes] == [{"A": "1", "B": "2"}, {"B": "2"}, None, {}]


@pytest.mark.parametrize("given", ["Bearer secret", {"a b": "secret"}, {"A": ["secret"]}, {"A": "secret\n"}])
def test_wrong_secret_headers_are_refused_without_being_shown(given):
    with pytest.raises(UpkeepError) as refused:
        read({"type": "http", "url": "http://a.test", "name": "app"}, secret_headers={"app": given})
    assert "secret_headers['app']" in refused.value.message
    assert "Bearer" not in refused.value.message and "secret\n" not in refused.value.message


def test_every_type_is_described_with_its_options():
    described = described_options()
    assert described["type"]["choices"] == list(OPTIONS)
    assert set(described) == {"name", "type", *COMMON, *(key for table in OPTIONS.values() for key in table)}
    assert described["host"]["default"] is None  # localhost for tcp, required for dns
    assert described["expect_status"] == {"type": "list", "elements": "int", "default": [200]}
