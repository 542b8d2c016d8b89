"""Which names a certificate is for, as RFC 6125 and clients have it."""

from __future__ import annotations

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.certificates.names import certificate_is_for


@pytest.mark.parametrize(
    ("name", "dns", "fits"),
    [
        ("www.example.com", ["www.example.com"], True),
        ("WWW.Example.COM", ["www.example.com"], True),
        ("www.example.com.", ["www.example.com"], True),
        ("www.example.com", ["mail.example.com", "WWW.example.com"], True),
        ("example.com", ["www.example.com"], False),
        ("www.example.com", ["example.com"], False),
        ("www.example.com", ["*.example.com"], True),
        ("a.b.example.com", ["*.example.com"], False),
        ("example.com", ["*.example.com"], False),
        (".example.com", ["*.example.com"], False),
        ("example.com", ["*.com"], False),
        ("anything", ["*"], False),
        ("www.example.com", ["w*.example.com"], False),
        ("www.example.com", ["*.*.com"], False),
        ("a.www.example.com", ["*.*.example.com"], False),
        ("müller.example", ["xn--mller-kva.example"], True),
        ("www.müller.example", ["*.xn--mller-kva.example"], True),
        ("", [""], False),
        ("www.example.com", [], False),
        ("a" * 300 + ".example", ["*.example"], False),
    ],
)
def test_host_names(name: str, dns: list[str], fits: bool) -> None:
    assert certificate_is_for(name, dns, []) is fits


@pytest.mark.parametrize(
    ("name", "dns", "addresses", "fits"),
    [
        ("192.0.2.7", [], ["192.0.2.7"], True),
        ("192.0.2.7", ["192.0.2.7"], [], False),  # an address among the names of hosts is none
        ("192.0.2.7", ["*.0.2.7"], [], False),
        ("2001:db8:0:0::1", [], ["2001:db8::1"], True),
        ("[2001:db8::1]", [], ["2001:db8::1"], True),
        ("fe80::1%eth0", [], ["fe80::1"], True),
        ("192.0.2.8", [], ["192.0.2.7"], False),
        ("192.0.2.7", [], ["rubbish"], False),
    ],
)
def test_addresses(name: str, dns: list[str], addresses: list[str], fits: bool) -> None:
    assert certificate_is_for(name, dns, addresses) is fits
