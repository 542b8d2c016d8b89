"""One call over files and servers: a result for each, and nothing left out without a word."""

from __future__ import annotations

import json
import os
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Callable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates

from ansible_collections.upkeep.runbook.plugins.module_utils.certificates.inspection import inspect_certificates
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.certificates.issuing import (
    NOW,
    issue,
    new_key,
    present,
    present_authority,
)
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.certificates.tls_servers import TlsServers

Inspect = Callable[..., dict[str, Any]]
ROOT = issue("Root", authority=True, key=new_key("ec", 1), ends=NOW + timedelta(days=3000))


def rows(result: dict[str, Any], check: str) -> dict[str, dict[str, Any]]:
    """Return the rows of a check by their subject."""
    found = [row for row in result["checks"] if row["check"] == f"certificate.{check}"]
    assert len({row["subject"] for row in found}) == len(found), "each subject once"
    return {row["subject"]: row for row in found}


def statuses(result: dict[str, Any], check: str) -> dict[str, str]:
    return {subject: row["status"] for subject, row in rows(result, check).items()}


def test_a_file_that_is_all_right(inspect: Inspect, tmp_path: Path) -> None:
    path = issue(by=ROOT).write(tmp_path / "a.pem", ROOT)
    result = inspect(paths=[path])
    assert result["status"] == "ok"
    assert statuses(result, "expiry") == {path: "ok", f"{path} (certificate 2)": "ok"}
    assert statuses(result, "key_match") == {path: "ok"}
    assert rows(result, "expiry")[path]["summary"] == (
        f"{path}: the certificate of www.example.com expires in 60 days, on 2027-01-21T12:00:00Z"
        " (warning from 30 days, critical from 7 days)."
    )
    first = result["certificates"][0]
    assert set(first) == {
        "source", "position", "subject", "issuer", "serial_number", "sans", "not_before", "not_after", "days_left",
        "lifetime_left_percent", "key_type", "key_size", "signature_algorithm", "fingerprint_sha256", "self_signed", "status",
    }  # fmt: skip
    assert (first["position"], first["days_left"], first["lifetime_left_percent"]) == (1, 60.0, 66.67)
    assert result["totals"] == {
        "files": 1, "endpoints": 0, "certificates": 2, "unreadable": 0, "passed_over": 0,
        "earliest_not_after": "2027-01-21T12:00:00Z",
    }  # fmt: skip


def test_expired_twelve_hours_ago_is_critical_and_half_a_day(inspect: Inspect, tmp_path: Path) -> None:
    path = issue(ends=NOW - timedelta(hours=12)).write(tmp_path / "a.pem")
    result = inspect(paths=[path])
    row = rows(result, "expiry")[path]
    assert (row["status"], row["value"], row["unit"]) == ("critical", -0.5, "days")
    assert "expired 12 hours ago, on 2026-11-22T00:00:00Z" in row["summary"]
    assert row["hint"] == "Renew it."
    assert (result["certificates"][0]["days_left"], result["certificates"][0]["status"]) == (-0.5, "critical")


def test_the_second_certificate_of_a_bundle_counts(inspect: Inspect, tmp_path: Path) -> None:
    old = issue("Between", ends=NOW + timedelta(days=3), authority=True, key=new_key("ec", 2))
    path = issue(by=old).write(tmp_path / "a.pem", old)
    result = inspect(paths=[path], return_all=False)
    assert statuses(result, "expiry") == {f"{path} (certificate 2)": "critical", path: "ok"}
    assert [detail["position"] for detail in result["certificates"]] == [2]


def test_not_valid_yet(inspect: Inspect, tmp_path: Path) -> None:
    path = issue(begins=NOW + timedelta(hours=3)).write(tmp_path / "a.pem")
    row = rows(inspect(paths=[path]), "validity")[path]
    assert row["status"] == "critical"
    assert "not valid yet: it will be in 3 hours, on 2026-11-22T15:00:00Z" in row["summary"]
    assert "timedatectl" in row["hint"]


def test_thresholds_in_percent_show_in_the_row(inspect: Inspect, tmp_path: Path) -> None:
    path = issue(begins=NOW - timedelta(days=3), ends=NOW + timedelta(days=3)).write(tmp_path / "a.pem")
    row = rows(inspect(paths=[path], warning_lifetime_percent=33.0, critical_lifetime_percent=10.0), "expiry")[path]
    assert (row["status"], row["warning"], row["critical"]) == ("ok", 1.98, 0.6)


def test_a_weak_key_is_a_warning(inspect: Inspect, tmp_path: Path) -> None:
    path = issue(key=new_key("rsa1024")).write(tmp_path / "a.pem")
    result = inspect(paths=[path])
    assert result["status"] == "warning"
    assert "RSA with 1024 bits (at least 2048)" in rows(result, "strength")[path]["summary"]
    assert result["certificates"][0]["status"] == "warning"


def test_a_key_that_cannot_sign_ends_nothing(inspect: Inspect, tmp_path: Path) -> None:
    """A certificate for key agreement that names itself as its issuer."""
    name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "agree")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(1)
    builder = builder.not_valid_before(datetime(2026, 11, 1)).not_valid_after(datetime(2027, 11, 1))
    made = builder.public_key(X25519PrivateKey.generate().public_key()).sign(new_key(), SHA256())
    path = tmp_path / "a.pem"
    path.write_bytes(made.public_bytes(Encoding.PEM))
    result = inspect(paths=[str(path)])
    assert statuses(result, "strength") == {str(path): "unknown"}
    assert result["certificates"][0]["self_signed"] is False


def test_names_are_printable_and_bounded(inspect: Inspect, tmp_path: Path) -> None:
    path = issue(dns=("a\x1b[31m.example", "b" * 3000, *(f"n{number}.example" for number in range(2000)))).write(tmp_path / "a.pem")
    names = inspect(paths=[path])["certificates"][0]["sans"]
    assert (names[0], len(names[1]), len(names)) == ("a\\x1b[31m.example", 300, 1000)


def test_bad_input_gets_a_result_each(inspect: Inspect, tmp_path: Path) -> None:
    good = issue()
    (tmp_path / "empty.pem").touch()
    (tmp_path / "binary.pem").write_bytes(os.urandom(4096).replace(b"0", b"1"))
    (tmp_path / "loop.pem").symlink_to("loop.pem")
    os.mkfifo(tmp_path / "pipe.pem")
    (tmp_path / "key.pem").write_bytes(good.key_pem())
    (tmp_path / "cut.pem").write_bytes(good.pem[:300])
    with open(tmp_path / "large.pem", "wb") as stream:
        stream.truncate(300 * 1024 * 1024)
    locked = serialize_key_and_certificates(None, good.key, good.loaded, None, BestAvailableEncryption(b"secret"))
    (tmp_path / "locked.p12").write_bytes(locked)
    (tmp_path / "good.pem").write_bytes(good.pem)
    names = ["missing.pem", "empty.pem", "binary.pem", "loop.pem", "pipe.pem", "key.pem", "cut.pem", "large.pem", "locked.p12"]
    paths = [str(tmp_path / name) for name in [*names, "good.pem"]] + [f"{tmp_path}/*.nothing", "/dev/zero"]
    result = inspect(paths=paths, passphrase="hunter2")
    unreadable = rows(result, "readable")
    assert list(unreadable) == [path for path in paths if not path.endswith("good.pem")]
    for subject, row in unreadable.items():
        assert row["status"] == "unknown"
        assert row["summary"].startswith(subject) and row["summary"].endswith(".")
        assert row["hint"]
    assert statuses(result, "expiry") == {str(tmp_path / "good.pem"): "ok"}
    assert result["totals"]["unreadable"] == len(unreadable)
    assert "hunter2" not in json.dumps(result)
    assert "private key and no certificate" in unreadable[str(tmp_path / "key.pem")]["summary"]
    assert "matches nothing" in unreadable[f"{tmp_path}/*.nothing"]["summary"]


def test_in_a_folder_keys_are_passed_over_and_damage_is_not(inspect: Inspect, tmp_path: Path) -> None:
    issued = issue(by=ROOT)
    (tmp_path / "cert.pem").write_bytes(issued.pem)
    (tmp_path / "privkey.pem").write_bytes(issued.key_pem())
    (tmp_path / "README").write_text("no certificate")
    (tmp_path / "broken.crt").write_text("no certificate")
    result = inspect(paths=[str(tmp_path)])
    assert list(rows(result, "readable")) == [str(tmp_path / "broken.crt")]
    assert (result["totals"]["files"], result["totals"]["passed_over"]) == (3, 1)
    (tmp_path / "cert.pem").unlink()
    (tmp_path / "broken.crt").unlink()
    assert inspect(paths=[str(tmp_path)])["status"] == "unknown"


def test_a_file_is_looked_at_once(inspect: Inspect, tmp_path: Path) -> None:
    path = issue(by=ROOT).write(tmp_path / "a.pem")
    result = inspect(paths=[path, f"{tmp_path}/*.pem", str(tmp_path)])
    assert list(rows(result, "expiry")) == [path]


def test_a_hostile_file_name(inspect: Inspect, tmp_path: Path) -> None:
    path = os.fsdecode(os.fsencode(str(tmp_path)) + b"/\xff\x1b[2J\n.pem")
    with open(path, "wb") as stream:
        stream.write(issue().pem)
    result = inspect(paths=[f"{tmp_path}/*.pem"])
    json.dumps(result).encode("utf-8")
    assert result["certificates"][0]["source"].isprintable()
    assert rows(result, "expiry").popitem()[0].isprintable()


def test_private_keys(inspect: Inspect, tmp_path: Path) -> None:
    for name, issued, key in (
        ("a", issue("a", by=ROOT), new_key()),
        ("b", issue("b", by=ROOT), new_key("ec", 3)),
        ("c", issue("c", by=ROOT, key=new_key("rsa")), new_key("rsa")),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "cert.pem").write_bytes(issued.pem)
        (tmp_path / name / "key.pem").write_bytes(issue(key=key).key_pem())
    (tmp_path / "elsewhere.key").write_bytes(issue(key=new_key("rsa")).key_pem("secret"))
    (tmp_path / "no.key").write_bytes(ROOT.pem)
    given = {"paths": [f"{tmp_path}/*/cert.pem"], "private_keys": [f"{tmp_path}/*/key.pem", f"{tmp_path}/*.key", "/nowhere"]}
    result = inspect(**given, passphrases=["wrong", "secret"])
    found = {subject.replace(str(tmp_path), ""): row for subject, row in rows(result, "key_match").items()}
    assert {subject: row["status"] for subject, row in found.items()} == {
        "/a/key.pem": "ok", "/b/key.pem": "critical", "/c/key.pem": "ok",
        "/elsewhere.key": "ok", "/no.key": "unknown", "/nowhere": "unknown",
    }  # fmt: skip
    assert f"does not belong to {tmp_path}/b/cert.pem" in found["/b/key.pem"]["summary"]
    assert "holds no private key" in found["/no.key"]["summary"]
    locked = inspect(**given, passphrases=["wrong"])
    row = rows(locked, "key_match")[f"{tmp_path}/elsewhere.key"]
    assert (row["status"], "no passphrase given opens its private key" in row["summary"]) == ("unknown", True)
    assert "PRIVATE" not in json.dumps(result)


def test_a_key_in_the_same_file_must_fit(inspect: Inspect, tmp_path: Path) -> None:
    path = tmp_path / "a.pem"
    path.write_bytes(issue().pem + issue(key=new_key("rsa")).key_pem())
    assert statuses(inspect(paths=[str(path)]), "key_match") == {str(path): "critical"}


def test_each_key_is_one_subject(inspect: Inspect, tmp_path: Path) -> None:
    path = tmp_path / "a.pem"
    path.write_bytes(issue().pem + issue().key_pem() + issue(key=new_key("rsa")).key_pem())
    result = inspect(paths=[str(path)], private_keys=[str(path), f"{tmp_path}/*.pem"])
    assert statuses(result, "key_match") == {str(path): "ok", f"{path} (key 2)": "critical"}


def test_a_key_with_nothing_to_compare_it_with(inspect: Inspect, tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_bytes(issue().key_pem())
    result = inspect(paths=["/nowhere"], private_keys=[str(tmp_path / "key.pem")])
    assert statuses(result, "key_match") == {str(tmp_path / "key.pem"): "unknown"}


def test_many_are_folded_and_the_bad_one_is_shown(inspect: Inspect, tmp_path: Path) -> None:
    data = issue(by=ROOT).pem
    for number in range(200):
        (tmp_path / f"{number}.pem").write_bytes(data)
    (tmp_path / "bad.pem").write_bytes(issue(ends=NOW + timedelta(days=20), by=ROOT).pem)
    result = inspect(paths=[str(tmp_path)], return_all=False)
    assert [(row["check"], row["status"], row.get("folded")) for row in result["checks"]] == [
        ("certificate.expiry", "warning", None),
        ("certificate.expiry", "ok", 200),
        ("certificate.validity", "ok", 201),
        ("certificate.strength", "ok", 201),
    ]
    assert [detail["source"] for detail in result["certificates"]] == [str(tmp_path / "bad.pem")]
    assert result["totals"]["certificates"] == 201


def test_the_hint_for_files_is_asked_for_once_and_only_when_needed(options: dict[str, Any], tmp_path: Path) -> None:
    asked: list[datetime] = []

    def hint(now: datetime) -> str:
        asked.append(now)
        return "certbot says so"

    good, bad = issue().write(tmp_path / "good.pem"), issue(ends=NOW).write(tmp_path / "bad.pem")
    inspect_certificates({**options, "paths": [good]}, now=NOW, hint_for_files=hint)
    assert asked == []
    (tmp_path / "bad2.pem").write_bytes(Path(bad).read_bytes())
    result = inspect_certificates({**options, "paths": [str(tmp_path)]}, now=NOW, hint_for_files=hint)
    assert asked == [NOW]
    assert [row["hint"] for row in rows(result, "expiry").values() if row["status"] != "ok"] == ["certbot says so"] * 2


def test_without_the_library_everything_is_unknown_and_says_how_to_install_it(
    inspect: Inspect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = issue().write(tmp_path / "a.pem")
    monkeypatch.setitem(sys.modules, "cryptography", None)
    monkeypatch.setitem(sys.modules, "cryptography.x509", None)
    result = inspect(paths=[path], endpoints=["127.0.0.1:1"], private_keys=["/key.pem"], return_all=False)
    assert result["status"] == "unknown"
    assert list(rows(result, "readable")) == [path, "127.0.0.1:1", "/key.pem"]
    for row in result["checks"]:
        assert "no usable library cryptography" in row["summary"]
        assert "upkeep.runbook.prepare" in row["hint"] and "python3-cryptography" in row["hint"]


AUTHORITY = present_authority()


@pytest.fixture
def ca_file(tmp_path: Path) -> str:
    (tmp_path / "authority.pem").write_bytes(AUTHORITY.pem)
    return str(tmp_path / "authority.pem")


def now() -> datetime:
    return datetime.now(timezone.utc)


def test_an_endpoint_that_is_all_right(inspect: Inspect, servers: TlsServers, tmp_path: Path, ca_file: str) -> None:
    issued = present("www.example.com", dns=("*.example.com",), by=AUTHORITY)
    port = servers.start(issued.write(tmp_path / "a.pem"))
    endpoint = {"host": "127.0.0.1", "port": port, "server_name": "www.example.com"}
    result = inspect(endpoints=[endpoint], ca_file=ca_file, now=now())
    assert result["status"] == "ok"
    assert {row["check"].partition(".")[2] for row in result["checks"]} == {
        "expiry", "validity", "strength", "hostname", "chain",
    }  # fmt: skip
    assert {row["subject"] for row in result["checks"]} == {f"127.0.0.1:{port} (www.example.com)"}
    assert result["certificates"][0]["sans"] == ["*.example.com"]


def test_every_thing_that_is_wrong_with_an_endpoint_is_said(
    inspect: Inspect, servers: TlsServers, tmp_path: Path, ca_file: str
) -> None:
    port = servers.start(present("other.example.com", days=-0.5).write(tmp_path / "a.pem"))
    result = inspect(endpoints=[f"127.0.0.1:{port}"], ca_file=ca_file, now=now())
    subject = f"127.0.0.1:{port}"
    for check in ("expiry", "hostname", "chain"):
        assert statuses(result, check) == {subject: "critical"}
    assert "is not for 127.0.0.1, but for other.example.com" in rows(result, "hostname")[subject]["summary"]
    assert "clients refuse its certificate" in rows(result, "chain")[subject]["summary"]
    assert result["certificates"][0]["status"] == "critical"


def test_a_wrong_name_alone_makes_the_certificate_critical(
    inspect: Inspect, servers: TlsServers, tmp_path: Path, ca_file: str
) -> None:
    port = servers.start(present("a", dns=(), by=AUTHORITY).write(tmp_path / "a.pem"))
    result = inspect(endpoints=[f"127.0.0.1:{port}"], ca_file=ca_file, return_all=False, now=now())
    assert [row["check"] for row in result["checks"] if row["status"] != "ok"] == ["certificate.hostname"]
    assert "it has no alternative names" in result["checks"][0]["summary"]
    assert [detail["status"] for detail in result["certificates"]] == ["critical"]


def test_an_address_in_the_certificate(inspect: Inspect, servers: TlsServers, tmp_path: Path, ca_file: str) -> None:
    port = servers.start(present("a", addresses=("127.0.0.1",), by=AUTHORITY).write(tmp_path / "a.pem"))
    assert inspect(endpoints=[f"127.0.0.1:{port}"], ca_file=ca_file, now=now())["status"] == "ok"


def test_authorities_of_one_endpoint(inspect: Inspect, servers: TlsServers, tmp_path: Path, ca_file: str) -> None:
    port = servers.start(present("a", addresses=("127.0.0.1",), by=AUTHORITY).write(tmp_path / "a.pem"))
    endpoint = {"host": "127.0.0.1", "port": port}
    other = tmp_path / "other.pem"
    other.write_bytes(present_authority("Other", 7).pem)
    assert inspect(endpoints=[endpoint], ca_file=str(other), now=now())["status"] == "critical"
    assert inspect(endpoints=[{**endpoint, "ca_file": ca_file}], ca_file=str(other), now=now())["status"] == "ok"
    alone = inspect(endpoints=[endpoint], verify_chain=False, now=now())
    assert (alone["status"], rows(alone, "chain")) == ("ok", {})


def test_a_server_that_was_not_reloaded(inspect: Inspect, servers: TlsServers, tmp_path: Path, ca_file: str) -> None:
    begins = now() - timedelta(days=80)
    old = present("a", addresses=("127.0.0.1",), by=AUTHORITY, begins=begins, days=40)
    new = present("a", addresses=("127.0.0.1",), by=AUTHORITY)
    port = servers.start(old.write(tmp_path / "old.pem"))
    (tmp_path / "live.pem").write_bytes(new.pem)
    item: dict[str, Any] = {"path": str(tmp_path / "live.pem"), "endpoint": f"127.0.0.1:{port}", "hint": None}
    result = inspect(served_by=[item], ca_file=ca_file, now=now())
    row = rows(result, "served")[f"{item['path']} at 127.0.0.1:{port}"]
    assert (result["status"], row["status"]) == ("warning", "warning")
    assert f"does not serve the certificate in {tmp_path}/live.pem, but an older one" in row["summary"]
    assert "systemctl reload nginx" in row["hint"]
    assert servers.connections[port] == 1
    result = inspect(served_by=[{**item, "hint": "Restart it."}], ca_file=ca_file, now=now())
    assert rows(result, "served")[f"{item['path']} at 127.0.0.1:{port}"]["hint"] == "Restart it."

    (tmp_path / "live.pem").write_bytes(old.pem)
    assert inspect(served_by=[item], paths=[item["path"]], ca_file=ca_file, now=now())["status"] == "ok"


@pytest.mark.parametrize("missing", ["file", "server"])
def test_what_cannot_be_compared_is_unknown(
    inspect: Inspect, servers: TlsServers, tmp_path: Path, ca_file: str, missing: str
) -> None:
    path = present("a", addresses=("127.0.0.1",), by=AUTHORITY).write(tmp_path / "a.pem")
    port = 1 if missing == "server" else servers.start(path)
    item = {"path": "/nowhere/a.pem" if missing == "file" else path, "endpoint": f"127.0.0.1:{port}", "hint": None}
    result = inspect(served_by=[item], ca_file=ca_file, now=now())
    row = rows(result, "served")[f"{item['path']} at 127.0.0.1:{port}"]
    assert row["status"] == "unknown"
    assert ("/nowhere/a.pem does not exist" if missing == "file" else "refused the connection") in row["summary"]


def test_two_files_of_one_server_are_two_subjects(inspect: Inspect, servers: TlsServers, tmp_path: Path, ca_file: str) -> None:
    issued = present("a", addresses=("127.0.0.1",), by=AUTHORITY)
    endpoint = f"127.0.0.1:{servers.start(issued.write(tmp_path / 'a.pem'))}"
    issued.write(tmp_path / "b.pem")
    served_by = [{"path": str(tmp_path / name), "endpoint": endpoint, "hint": None} for name in ("a.pem", "b.pem")]
    assert len(rows(inspect(served_by=served_by, ca_file=ca_file, now=now()), "served")) == 2
