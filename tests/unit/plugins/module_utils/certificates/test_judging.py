"""What certificates by themselves are judged to be: weak keys and signatures, unreadable names."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import cryptography
import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.certificates.certificate import Certificate, Key
from ansible_collections.upkeep.runbook.plugins.module_utils.certificates.containers import read_contents
from ansible_collections.upkeep.runbook.plugins.module_utils.certificates.judging import strength_of
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.certificates.issuing import issue, new_key

ROOT = issue("Root", authority=True, key=new_key("rsa"))


def certificate(**given: Any) -> Certificate:
    return Certificate(issue(**given).der)


@pytest.mark.parametrize(
    ("kind", "key", "status"),
    [
        ("rsa", Key("RSA", 2048), "ok"),
        ("rsa1024", Key("RSA", 1024), "warning"),
        ("ec", Key("EC", 256), "ok"),
        ("ec192", Key("EC", 192), "warning"),
        ("dsa", Key("DSA", 2048), "warning"),
        ("ed25519", Key("Ed25519", 256), "ok"),
    ],
)
def test_keys(kind: str, key: Key, status: str) -> None:
    found = certificate(key=new_key(kind), by=ROOT)
    assert found.key == key
    assert strength_of(found)[0] == status
    assert not found.self_signed


@pytest.mark.parametrize(
    ("kind", "name"),
    [("rsa", "sha256WithRSAEncryption"), ("ec", "ecdsa-with-SHA256"), ("dsa", "dsa-with-SHA256"), ("ed25519", "Ed25519")],
)
def test_who_signed_itself_is_known_for_each_kind_of_key(kind: str, name: str) -> None:
    found = certificate(key=new_key(kind))
    assert found.self_signed
    assert found.signature_algorithm == name


def test_the_same_name_is_not_the_same_key() -> None:
    twin = issue("Root", authority=True, key=new_key("rsa", 1), by=ROOT)
    assert not Certificate(twin.der).self_signed


def openssl(*arguments: str) -> bytes:
    return subprocess.run(["openssl", *arguments], check=True, capture_output=True).stdout


def signed_so(folder: Path, kind: str, digest: str, *, by_itself: bool) -> Certificate:
    """Return a certificate made by openssl: the library no longer signs so."""
    own, root = folder / "own.pem", folder / "root.pem"
    own.write_bytes(issue(key=new_key("rsa" if kind == "rsa" else "ec", 5)).key_pem())
    signer = issue("Root", authority=True, key=new_key("rsa" if kind == "rsa" else "ec", 6))
    root.write_bytes(signer.pem + signer.key_pem())
    request = ["req", "-new", "-key", str(own), "-subj", "/CN=old"]
    if by_itself:
        data = openssl(*request, "-x509", f"-{digest}", "-days", "9")
    else:
        openssl(*request, "-out", str(folder / "request.pem"))
        data = openssl("x509", "-req", f"-{digest}", "-in", str(folder / "request.pem"), "-CA", str(root), "-days", "9")
    ((_position, found),) = read_contents(data).certificates
    return found


@pytest.mark.parametrize(
    ("kind", "digest", "name"),
    [
        ("rsa", "md5", "md5WithRSAEncryption"),
        ("rsa", "sha1", "sha1WithRSAEncryption"),
        ("ec", "sha1", "ecdsa-with-SHA1"),
    ],
)
def test_a_weak_signature_matters_except_on_a_root(tmp_path: Path, kind: str, digest: str, name: str) -> None:
    assert strength_of(signed_so(tmp_path, kind, digest, by_itself=False)) == ("warning", f"signature is weak: {name}")
    root = signed_so(tmp_path, kind, digest, by_itself=True)
    assert root.self_signed
    assert strength_of(root)[0] == "ok"


@pytest.mark.parametrize(("digest", "status"), [("sha256", "ok"), ("sha1", "warning")])
def test_a_pss_signature_is_as_strong_as_its_hash(tmp_path: Path, digest: str, status: str) -> None:
    (tmp_path / "own.pem").write_bytes(issue(key=new_key("rsa")).key_pem())
    (tmp_path / "root.pem").write_bytes(ROOT.pem + ROOT.key_pem())
    openssl("req", "-new", "-key", str(tmp_path / "own.pem"), "-subj", "/CN=pss", "-out", str(tmp_path / "request.pem"))
    sign = ["x509", "-req", "-in", str(tmp_path / "request.pem"), "-CA", str(tmp_path / "root.pem"), "-days", "9"]
    data = openssl(*sign, f"-{digest}", "-sigopt", "rsa_padding_mode:pss")
    ((_position, found),) = read_contents(data).certificates
    if int(cryptography.__version__.split(".", maxsplit=1)[0]) < 41:
        digest, status = "unknown", "unknown"  # as on Debian 12: nobody could look, so nobody says that it is strong
    assert (found.signature_algorithm, strength_of(found)[0]) == (f"rsassaPss-{digest}", status)


def test_a_key_of_an_unknown_kind_is_unknown_and_not_strong(tmp_path: Path) -> None:
    """As certificates of coming kinds are to the library of Debian 12."""
    der = bytearray(issue(key=new_key("ed25519"), by=ROOT).der)
    place = bytes(der).index(bytes.fromhex("06032b6570"))
    der[place : place + 5] = bytes.fromhex("06032b6579")
    found = Certificate(bytes(der))
    assert found.key == Key("unknown", None)
    assert strength_of(found)[0] == "unknown"
    assert found.public_key_der == b""


def test_names_are_taken_from_where_they_are() -> None:
    found = certificate(name="www.example.com", dns=("a.example.com",), addresses=("192.0.2.1", "2001:db8::1"))
    names = found.alternative_names
    assert (names.dns, names.addresses) == (("a.example.com",), ("192.0.2.1", "2001:db8::1"))
    assert found.common_name == "www.example.com"
    assert found.subject == "CN=www.example.com"
    assert certificate(dns=()).alternative_names.dns == ()


def test_a_name_cannot_drive_a_terminal_or_fill_a_page() -> None:
    found = certificate(name="\x1b[31mred\n\u202e" + "x" * 40, dns=())
    for text in (found.common_name, found.subject, found.issuer):
        assert text.isprintable()
    assert len(found.common_name) <= 100


def test_the_serial_number_reads_as_openssl_prints_it(tmp_path: Path) -> None:
    issued = issue(serial=0x0ABCDEF)
    (tmp_path / "a.pem").write_bytes(issued.pem)
    shown = subprocess.run(["openssl", "x509", "-serial", "-fingerprint", "-sha256", "-noout", "-in", str(tmp_path / "a.pem")],
                           check=True, capture_output=True, text=True).stdout  # fmt: skip
    found = Certificate(issued.der)
    assert f"serial={found.serial_number}\n" in shown
    assert found.fingerprint_sha256.upper() in shown.replace(":", "")
