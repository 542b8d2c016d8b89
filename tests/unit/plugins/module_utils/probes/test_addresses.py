"""URLs taken apart."""

from __future__ import annotations

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.host_port import place
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.addresses import is_literal, parse_url

HTTP = ("http", "https")


@pytest.mark.parametrize(
    ("url", "host", "port", "path", "header", "shown"),
    [
        ("http://a.test", "a.test", 80, "/", "a.test", "http://a.test"),
        ("https://a.test/x?y=1#z", "a.test", 443, "/x?y=1", "a.test", "https://a.test/x?y=1"),
        ("http://A.test:8081/", "a.test", 8081, "/", "a.test:8081", "http://a.test:8081/"),
        ("http://[::1]:80/", "::1", 80, "/", "[::1]", "http://[::1]:80/"),
        ("http://[fe80::1%25lo]:80/", "fe80::1%lo", 80, "/", "[fe80::1]", "http://[fe80::1%25lo]:80/"),
        ("https://u:p%40s@a.test:8443/", "a.test", 8443, "/", "a.test:8443", "https://a.test:8443/"),
        ("http://b\u00fccher.test/\u00e4", "xn--bcher-kva.test", 80, "/%C3%A4", "xn--bcher-kva.test", "http://b\u00fccher.test/\u00e4"),
        ("http://a.test/%20?q=%26", "a.test", 80, "/%20?q=%26", "a.test", "http://a.test/%20?q=%26"),
    ],
)
def test_a_url_is_taken_apart(url, host, port, path, header, shown):
    target = parse_url(url, HTTP)
    assert (target.host, target.port, target.path, target.host_header, target.shown) == (host, port, path, header, shown)


def test_credentials_are_decoded_and_not_shown():
    target = parse_url("http://us%3Aer:p%40ss@a.test/", HTTP)
    assert (target.user, target.password) == ("us:er", "p@ss")
    assert "ss" not in target.shown


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://a.test/", "must begin with http:// or https://"),
        ("a.test:8081", "must begin with"),
        ("http://", "names no host"),
        ("http://a.test:99999/", "is no URL"),
        ("http://[::1/", "is no URL"),
        ("http://a test/", "space"),
        ("http://a.test/\r\nX: y", "control character"),
        ("http://" + "\u00e4" * 70 + ".test/", "no valid name"),
    ],
)
def test_what_is_no_url_is_refused_with_the_reason(url, reason):
    with pytest.raises(ValueError, match=reason):
        parse_url(url, HTTP)


@pytest.mark.parametrize("url", ["http://user:secret@a.test:port/", "http://user:secret/word@a.test/", "http://user:pa55?secret@a.test/"])
def test_a_wrong_port_does_not_show_the_password(url):
    with pytest.raises(ValueError, match="port") as refused:
        parse_url(url, HTTP)
    assert "secret" not in str(refused.value) and "pa55" not in str(refused.value)


@pytest.mark.parametrize(("host", "literal"), [("127.0.0.1", True), ("::1", True), ("fe80::1%lo", True), ("localhost", False)])
def test_an_address_is_told_from_a_name(host, literal):
    assert is_literal(host) is literal


def test_an_ipv6_address_stands_in_brackets():
    assert (place("::1", 80), place("a.test", 80)) == ("[::1]:80", "a.test:80")
