"""What files hold: every certificate of a bundle, whatever form it has, and nothing lost beside a damaged one."""

from __future__ import annotations

import binascii
import random
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates

from ansible_collections.upkeep.runbook.plugins.module_utils.certificates.containers import read_contents
from ansible_collections.upkeep.runbook.plugins.module_utils.certificates.key_derivation import rounds_asked
from ansible_collections.upkeep.runbook.plugins.module_utils.certificates.private_keys import PrivateKey
from ansible_collections.upkeep.runbook.plugins.module_utils.certificates.unreadable import Unreadable
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.certificates.issuing import issue, new_key

ROOT = issue("Root", authority=True, key=new_key("ec", 1))
LEAF = issue(by=ROOT)


def positions(data: bytes, *passphrases: str) -> list[tuple[int, bytes]]:
    return [(position, found.der) for position, found in read_contents(data, passphrases).certificates]


def test_every_certificate_of_a_bundle_with_its_position() -> None:
    data = b"Subject: somebody\n" + LEAF.pem + b"\nbetween\n" + ROOT.pem
    assert positions(data) == [(1, LEAF.der), (2, ROOT.der)]


@pytest.mark.parametrize(
    "data",
    [
        LEAF.pem.replace(b"\n", b"\r\n"),
        LEAF.pem.strip(),
        b"\xef\xbb\xbf" + LEAF.pem,
        LEAF.pem.replace(b"CERTIFICATE", b"X509 CERTIFICATE"),
        b"-----BEGIN CERTIFICATE-----\n" + b"".join(LEAF.pem.split(b"-----")[2].split()) + b"\n-----END CERTIFICATE-----",
        LEAF.der,
    ],
    ids=["windows", "no last newline", "byte order mark", "old label", "one line", "der"],
)
def test_the_forms_of_one_certificate(data: bytes) -> None:
    assert positions(data) == [(1, LEAF.der)]


def test_what_openssl_calls_trusted(tmp_path: Path) -> None:
    (tmp_path / "a.pem").write_bytes(LEAF.pem)
    command = ["openssl", "x509", "-in", str(tmp_path / "a.pem"), "-trustout", "-addtrust", "serverAuth"]
    trusted = subprocess.run(command, check=True, capture_output=True).stdout
    assert b"TRUSTED CERTIFICATE" in trusted
    assert positions(trusted) == [(1, LEAF.der)]


def test_a_damaged_certificate_does_not_hide_the_others() -> None:
    cut = LEAF.pem[: len(LEAF.pem) // 2]
    stray = LEAF.pem.replace(b"\nMII", b"\n!MII")
    junk = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    contents = read_contents(cut + b"\n" + ROOT.pem + stray + junk + LEAF.pem)
    assert [(position, found.der) for position, found in contents.certificates] == [(2, ROOT.der), (5, LEAF.der)]
    assert [position for position, _reason in contents.broken] == [1, 3, 4]
    assert "cut off" in contents.broken[0][1]
    assert contents.broken[1][1]


def test_keys_and_requests_are_known_as_such() -> None:
    contents = read_contents(LEAF.key_pem())
    assert contents.holds_other_things_only and len(contents.keys) == 1
    contents = read_contents(b"-----BEGIN DH PARAMETERS-----\nAAAA\n-----END DH PARAMETERS-----\n")
    assert contents.holds_other_things_only and contents.others == ["dh parameters"]
    contents = read_contents(LEAF.pem + LEAF.key_pem())
    assert not contents.holds_other_things_only
    assert contents.keys[0].public_key_der(()) == contents.certificates[0][1].public_key_der


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_a_key_in_der(form: PrivateFormat) -> None:
    contents = read_contents(LEAF.key.private_bytes(Encoding.DER, form, NoEncryption()))
    assert contents.holds_other_things_only
    assert contents.keys[0].public_key_der(()) == read_contents(LEAF.der).certificates[0][1].public_key_der


def pkcs12(passphrase: str) -> bytes:
    how = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    return serialize_key_and_certificates(b"www", LEAF.key, LEAF.loaded, [ROOT.loaded], how)


@pytest.mark.parametrize("given", [("secret",), ("wrong", "secret")])
def test_pkcs12_opens_with_one_of_the_passphrases(given: tuple[str, ...]) -> None:
    contents = read_contents(pkcs12("secret"), given)
    assert [(position, found.der) for position, found in contents.certificates] == [(1, LEAF.der), (2, ROOT.der)]
    assert contents.keys[0].public_key_der(()) == contents.certificates[0][1].public_key_der


def test_pkcs12_without_a_passphrase() -> None:
    assert positions(pkcs12("")) == [(1, LEAF.der), (2, ROOT.der)]


@pytest.mark.parametrize(("given", "said"), [((), "no passphrase was given"), (("wrong",), "passphrase is wrong")])
def test_a_wrong_passphrase_is_said_without_it(given: tuple[str, ...], said: str) -> None:
    with pytest.raises(Unreadable) as unreadable:
        read_contents(pkcs12("secret"), given)
    assert said in str(unreadable.value)
    assert "wrong" not in f"{unreadable.value.hint}{unreadable.value}".replace("passphrase is wrong", "")


SALT = bytes(8)
SCRYPT = b"\x06\x09\x2b\x06\x01\x04\x01\xda\x47\x04\x0b"


@pytest.mark.parametrize(
    ("der", "expected"),
    [
        (b"\x04\x08" + SALT + b"\x02\x02\x08\x00", [2048]),
        (b"\x24\x0a\x04\x08" + SALT + b"\x02\x02\x08\x00", [2048]),  # a salt in pieces
        (b"\x24\x80\x04\x08" + SALT + b"\x00\x00\x02\x02\x08\x00", [2048]),  # and without a length
        (b"\x30\x0e\x04\x08" + SALT + b"\x02\x02\x08\x00", [2048]),
        (b"\x02\x02\x08\x00", []),
        (b"\x04\x08" + SALT + b"\x02\x02\x08\x00\x02\x01\x20", [2048]),  # the length of the key is no more work
        # scrypt multiplies: 16384 * 8 * 1 is what OpenSSL writes.
        (SCRYPT + b"\x04\x08" + SALT + b"\x02\x02\x40\x00\x02\x01\x08\x02\x01\x01", [16384, 131072, 131072]),
        (SCRYPT + b"\x04\x08" + SALT + b"\x02\x02\x40\x00\x02\x02\x40\x00", [16384, 2**28]),
    ],
)
def test_rounds_stand_behind_the_salt(der: bytes, expected: list) -> None:
    assert list(rounds_asked(der)) == expected


def test_a_key_that_would_cost_hours_is_not_opened() -> None:
    pem = LEAF.key_pem("x")
    der = binascii.a2b_base64(b"".join(pem.splitlines()[1:-1]))
    asked = next(rounds_asked(der))
    old = b"\x02\x02" + asked.to_bytes(2, "big")
    assert der.count(old) == 1
    # As many bytes as before: the length of the key behind it goes.
    wrapped = der.replace(b"\x04\x08", b"\x04\x06", 1).replace(old, b"\x02\x04\x7f\xff\xff\xff")
    label = b"ENCRYPTED PRIVATE KEY-----"
    text = b"-----BEGIN " + label + b"\n" + binascii.b2a_base64(wrapped) + b"-----END " + label
    for key in (PrivateKey(der=wrapped), PrivateKey(pem=text)):
        with pytest.raises(Unreadable, match="2147483647 rounds"):
            key.public_key_der(("x",))
        with pytest.raises(Unreadable):  # nobody tries without a passphrase
            key.public_key_der(())


def test_a_pkcs12_file_that_would_cost_hours_is_not_opened(tmp_path: Path) -> None:
    """Whoever can write the file could otherwise hold the inspection up for good."""
    LEAF.write(tmp_path / "leaf.pem")
    command = ["openssl", "pkcs12", "-export", "-in", str(tmp_path / "leaf.pem"), "-passout", "pass:x", "-iter", "100000"]
    data = subprocess.run(command, check=True, capture_output=True).stdout
    assert positions(data, "x") == [(1, LEAF.der)]
    rounds = b"\x02\x03" + (100_000).to_bytes(3, "big")
    assert data.count(rounds) == 3  # for the certificate, the key and the check sum
    for number in range(3):
        before, after = data.split(rounds)[: number + 1], data.split(rounds)[number + 1 :]
        with pytest.raises(Unreadable, match="8388607 rounds"):
            read_contents(rounds.join(before) + b"\x02\x03\x7f\xff\xff" + rounds.join(after), ("x",))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\0" * 1000, "holds no certificate"),
        (b"just text\n", "holds no certificate"),
        (b"\xfe\xed\xfe\xed" + b"\0" * 50, "Java keystore"),
        (bytes.fromhex("300b06092a864886f70d010702"), "PKCS#7"),
    ],
)
def test_what_is_nothing_of_the_kind_is_said(data: bytes, said: str) -> None:
    with pytest.raises(Unreadable, match=said):
        read_contents(data)


def test_a_version_that_does_not_exist_is_damage() -> None:
    contents = read_contents(LEAF.der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x05", 1))
    assert [position for position, _reason in contents.broken] == [1]


def test_any_damage_gives_a_result_and_never_an_error() -> None:
    chance = random.Random(1)
    refused = read = 0
    for whole in (LEAF.der, LEAF.pem + ROOT.pem, pkcs12("")):
        for _number in range(300):
            data = bytearray(whole)
            for _change in range(chance.randint(1, 3)):
                data[chance.randrange(len(data))] = chance.randrange(256)
            try:
                contents = read_contents(bytes(data[: chance.randint(1, len(data))]))
            except Unreadable as problem:
                assert str(problem)
                refused += 1
                continue
            for _position, found in contents.certificates:
                read += 1
                for name in ("key", "subject", "issuer", "alternative_names", "serial_number", "common_name", "self_signed"):
                    assert getattr(found, name) is not None
    assert refused and read, "the damage is of one kind only"
