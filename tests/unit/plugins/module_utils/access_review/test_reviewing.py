"""From options to results: what is wrong by itself, what is not used, what is new, and what is accepted."""

from __future__ import annotations

import dataclasses
import json
import os
import struct
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.access_review import judging, reviewing
from ansible_collections.upkeep.runbook.plugins.module_utils.access_review.host import Host
from ansible_collections.upkeep.runbook.plugins.module_utils.commands import CommandResult
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.modules import access_review
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.access_review.prepared_host import (
    DSA,
    ED,
    FINGERPRINTS,
    RSA,
    SECRET,
    Place,
    login,
)

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=timezone.utc)
DEFAULTS = {name: option.get("default") for name, option in access_review.argument_spec().items()}
DAY = 86_400


def review(place: Place, *, check_mode: bool = False, **options: Any) -> dict[str, Any]:
    given = {**DEFAULTS, "state_directory": str(place.root.parent / "state"), "unused_days": 0.0, **options}
    return reviewing.review_access(given, now=NOW, check_mode=check_mode, host=Host(str(place.root)))


def accept(place: Place, **options: Any) -> dict[str, Any]:
    return review(place, state="accepted", reason="reviewed", **options)


def found(answer: dict[str, Any], check: str) -> dict[str, str]:
    """Return the status by subject of the rows that are not ok."""
    return {row["subject"]: row["status"] for row in answer["checks"] if row["check"] == check and row["status"] != "ok"}


def test_an_ordinary_host_is_in_order_once_it_was_accepted(place: Place) -> None:
    place.write("/home/ada/.ssh/authorized_keys", f'command="echo TOPSECRET" {ED} laptop\n', 0o600)
    place.write("/etc/sudoers", "root ALL=(ALL:ALL) ALL\n%sudo ALL=(ALL:ALL) ALL\n", 0o440)
    first = review(place)
    assert (first["status"], found(first, "access.baseline")) == ("unknown", {str(place.root.parent / "state/access.json"): "unknown"})
    accepted = accept(place)
    assert (accepted["changed"], accepted["status"]) == (True, "ok")
    answer = review(place, expected_digest=accepted["baseline"]["digest"])
    assert (answer["changed"], answer["status"]) == (False, "ok")
    assert "0 days ago" in answer["checks"][0]["summary"] or any("0 days ago" in row["summary"] for row in answer["checks"])
    details = {account["name"]: account for account in answer["accounts"]}
    assert (details["ada"]["password"], details["bob"]["password"], details["root"]["password"]) == ("set", "locked", "none")
    assert (details["ada"]["groups"], details["ada"]["keys"]) == (["sudo", "ada"], 1)
    assert answer["authorized_keys"] == [{
        "account": "ada", "path": "/home/ada/.ssh/authorized_keys", "line": 1, "type": "ssh-ed25519", "bits": 256,
        "fingerprint": FINGERPRINTS[ED], "comment": "laptop", "options": ["command"],
    }]  # fmt: skip
    assert [(rule["who"], rule["accounts"], rule["everything"]) for rule in answer["sudo"]] == [("root", ["root"], True), ("%sudo", ["ada"], True)]
    kept = (place.root.parent / "state/access.json").read_text()
    for text in (json.dumps([first, accepted, answer]), kept):
        assert SECRET not in text and SECRET[5:20] not in text and "TOPSECRET" not in text


@pytest.mark.parametrize(
    ("path", "line", "check", "subject", "status"),
    [
        ("/etc/passwd", "toor:x:0:0::/root:/bin/sh\n", "access.accounts", "toor", "critical"),
        ("/etc/passwd", "eve::1002:1002::/:/bin/sh\n", "access.accounts", "eve", "critical"),
        ("/etc/passwd", "eve::1002:1002::/:/bin/false\n", "access.accounts", "eve", "warning"),
        ("/etc/passwd", "eve:ab01FAX.bQRSU:1002:1002::/:/bin/sh\n", "access.accounts", "eve", "warning"),
        ("/etc/passwd", f"web:{SECRET}:33:33::/:/bin/sh\n", "access.accounts", "web", "warning"),
        ("/etc/passwd", "nonsense\n", "access.accounts", "/etc/passwd", "warning"),
        ("/etc/sudoers", "ALL ALL=(ALL) ALL\n", "access.sudo", "/etc/sudoers:1", "critical"),
        ("/etc/sudoers", "ada ALL=(ALL) NOPASSWD: ALL\n", "access.sudo", "/etc/sudoers:1", "warning"),
        ("/etc/sudoers", "nonsense\n", "access.sudo", "sudoers", "unknown"),
        ("/etc/sudoers", "@include gone\n", "access.sudo", "/etc/gone", "unknown"),
        ("/home/ada/.ssh/authorized_keys", RSA + "\n", "access.keys", "/home/ada/.ssh/authorized_keys:1", "warning"),
        ("/home/ada/.ssh/authorized_keys", DSA + "\n", "access.keys", "/home/ada/.ssh/authorized_keys:1", "warning"),
        ("/home/ada/.ssh/authorized_keys", "nonsense\n", "access.keys", "/home/ada/.ssh/authorized_keys", "warning"),
        ("/home/ada/.ssh/authorized_keys", f"{ED}\n{ED}\n", "access.keys", FINGERPRINTS[ED], "warning"),
        ("/etc/ssh/sshd_config", "AuthorizedKeysCommand /x\n", "access.keys", "AuthorizedKeysCommand", "unknown"),
        ("/etc/ssh/sshd_config", "TrustedUserCAKeys /x\n", "access.keys", "TrustedUserCAKeys", "unknown"),
        ("/etc/passwd", "toor::0:0\n", "access.accounts", "toor", "critical"),
        ("/etc/passwd", "+::::::\n", "access.accounts", "directory service", "unknown"),
        ("/etc/sudoers", "Defaults !authenticate\n", "access.sudo", "/etc/sudoers:1", "warning"),
    ],
)
def test_what_is_wrong_by_itself(place: Place, path: str, line: str, check: str, subject: str, status: str) -> None:
    before = (place.root / path[1:]).read_text() if (place.root / path[1:]).exists() else ""
    place.write(path, before + line)
    accept(place)
    answer = review(place)
    assert found(answer, check) == {subject: status}
    assert answer["status"] == status


def test_accounts_that_share_a_number_are_told(place: Place) -> None:
    place.replace("/etc/passwd", "nobody:", "twin:x:1000:1000::/:/bin/false\nnobody:")
    assert found(review(place), "access.accounts") == {"ada": "warning", "twin": "warning"}


def test_no_rule_is_wrong_that_is_expected(place: Place) -> None:
    place.write("/etc/sudoers", "ada ALL=(ALL) NOPASSWD: ALL\nbob ALL=NOPASSWD: /bin/a\n", 0o440)
    accept(place)
    assert found(review(place, expected={"sudo": ["ada"]}), "access.sudo") == {}


def test_files_that_others_may_write_are_critical(place: Place) -> None:
    place.write("/etc/sudoers", "root ALL=ALL\n", 0o666)
    place.write("/home/ada/.ssh/authorized_keys", ED, 0o666)
    answer = review(place)
    assert found(answer, "access.sudo") == {"/etc/sudoers": "critical"}
    assert found(answer, "access.keys") == {"/home/ada/.ssh/authorized_keys": "critical"}


def test_one_key_of_two_accounts_is_told(place: Place) -> None:
    for name in ("ada", "bob"):
        place.write(f"/home/{name}/.ssh/authorized_keys", ED, 0o600)
    row = next(row for row in review(place)["checks"] if row["subject"] == FINGERPRINTS[ED])
    assert "opens 2 accounts: ada, bob" in row["summary"]


def test_an_old_password_is_a_warning_when_asked(place: Place) -> None:
    assert found(review(place, password_max_days=378.0), "access.accounts") == {"ada": "warning"}
    assert found(review(place, password_max_days=400.0), "access.accounts") == {}


def test_what_is_new_is_told_each_by_itself(place: Place) -> None:
    place.write("/etc/sudoers", "%sudo ALL=(ALL) ALL\n", 0o440)
    accept(place)
    place.replace("/etc/passwd", "nobody:", "eve:x:1002:1002::/home/eve:/bin/sh\nnobody:")
    place.replace("/etc/shadow", f"bob:!{SECRET}", f"bob:{SECRET}")
    place.replace("/etc/group", "sudo:x:27:ada", "sudo:x:27:ada,bob")
    place.write("/home/ada/.ssh/authorized_keys", ED + " stranger\n", 0o600)
    answer = review(place)
    assert found(answer, "access.accounts") == {"new: bob": "critical", "new: eve": "critical"}
    assert found(answer, "access.sudo") == {"new: bob as %sudo (ALL) ALL": "critical"}
    assert found(answer, "access.keys") == {f"ada {FINGERPRINTS[ED]}": "critical"}
    assert [len(answer["news"]["new"][kind]) for kind in ("accounts", "keys", "sudo")] == [2, 1, 1]
    assert answer["news"]["gone"]["accounts"][0].startswith("bob ")
    assert set(found(review(place, severity="warning"), "access.keys").values()) == {"warning"}
    expected = {"accounts": ["eve", "bob"], "keys": [FINGERPRINTS[ED]], "sudo": ["bob"]}
    assert review(place, expected=expected)["status"] == "ok"
    planned = accept(place, check_mode=True)
    done = accept(place)
    assert planned["diff"] == done["diff"] and "accounts: eve uid=1002" in done["diff"]["after"]
    assert [accept(place)["changed"], accept(place, check_mode=True)["changed"], review(place)["status"]] == [False, False, "ok"]


def test_a_name_with_a_space_is_not_the_one_before_it(place: Place) -> None:
    place.write("/etc/sudoers", "root ALL=ALL\n", 0o440)
    accept(place)
    place.replace("/etc/passwd", "nobody:", "ada x:x:1002:1002::/home/eve:/bin/sh\nnobody:")
    place.write("/etc/sudoers", '"ada x" ALL=ALL\n', 0o440)
    answer = review(place, expected={"accounts": ["ada"], "sudo": ["ada"]})
    assert [row["check"] for row in answer["checks"] if row["value"] == "new"] == ["access.accounts", "access.sudo"]
    assert review(place, expected={"accounts": ["ada x"], "sudo": ["ada x"]})["status"] == "ok"


def test_with_everything_expected_no_baseline_is_needed(place: Place) -> None:
    expected: dict[str, list[str]] = {"accounts": ["root", "daemon", "ada", "bob", "nobody"], "keys": [], "sudo": []}
    assert review(place, expected=expected)["status"] == "ok"
    place.write("/home/ada/.ssh/authorized_keys", ED, 0o600)
    expected["accounts"].remove("bob")
    answer = review(place, expected=expected)
    assert found(answer, "access.keys") == {f"ada {FINGERPRINTS[ED]}": "critical"}
    assert found(answer, "access.accounts") == {"new: bob": "critical"}


def test_accounts_that_are_not_used(place: Place) -> None:
    def unused(**logins: int) -> dict[str, str]:
        data = b"".join(login(name, int(NOW.timestamp()) - days * DAY) for name, days in sorted(logins.items(), key=lambda one: -one[1]))
        place.write("/var/log/wtmp", data)
        return found(review(place, unused_days=90.0), "access.unused")

    assert unused() == {"records of logins": "unknown"}
    assert unused(root=10) == {"records of logins": "unknown"}  # they do not reach back far enough
    assert unused(root=200) == {"ada": "warning"}  # bob is locked
    assert unused(root=200, ada=100) == {"ada": "warning"}
    assert unused(root=200, ada=5) == {}
    place.write("/home/bob/.ssh/authorized_keys", ED, 0o600)  # a key opens a locked account
    assert unused(root=200, ada=5) == {"bob": "warning"}
    record = struct.Struct("<i32s256s")
    lastlog = b"\0" * record.size * 1001 + record.pack(int(NOW.timestamp()) - DAY, b"", b"")
    place.write("/var/log/lastlog", lastlog)
    assert unused() == {"ada": "warning"}  # lastlog reaches back without end
    place.replace("/etc/shadow", f"ada:{SECRET}:20400", f"ada:{SECRET}:{int(NOW.timestamp()) // DAY - 3}")
    assert unused() == {}  # a new account
    place.write("/var/log/wtmp", b"x" * 5000)
    assert found(review(place, unused_days=90.0), "access.unused") == {"/var/log/wtmp": "unknown"}


def test_what_cannot_be_read_is_unknown_and_never_accepted(place: Place) -> None:
    (place.root / "etc/shadow").unlink()
    os.mkfifo(place.root / "etc/shadow")
    answer = review(place)
    assert found(answer, "access.accounts") == {"/etc/shadow": "unknown"}
    assert {account["password"] for account in answer["accounts"]} == {"unknown"}
    with pytest.raises(UpkeepError, match="/etc/shadow is no regular file"):
        accept(place)
    (place.root / "etc/passwd").unlink()
    assert found(review(place), "access.accounts") == {"/etc/passwd": "unknown", "/etc/shadow": "unknown"}


def test_a_baseline_that_was_changed_is_gone_or_is_none(place: Place) -> None:
    path = place.root.parent / "state/access.json"
    digest = accept(place)["baseline"]["digest"]
    assert path.stat().st_mode & 0o777 == 0o600 and path.parent.stat().st_mode & 0o777 == 0o700
    path.write_text(path.read_text().replace("reviewed", "revieved"))
    assert found(review(place, expected_digest=digest), "access.baseline") == {str(path): "critical"}
    with pytest.raises(UpkeepError, match="nothing was accepted: .* is not the baseline of expected_digest"):
        accept(place, expected_digest=digest)
    assert b"revieved" in path.read_bytes()
    forged = json.dumps({**json.loads(path.read_bytes()), "accepted": 5}).encode()
    for content in (b"", b"[" * 100_000, b"[]", b'{"format": 1}', path.read_bytes()[:-30], forged):
        path.write_bytes(content)
        assert found(review(place), "access.baseline") == {str(path): "critical"}
    path.unlink()
    assert found(review(place, expected_digest=digest), "access.baseline") == {str(path): "critical"}


def test_a_baseline_that_others_could_have_written_proves_nothing(place: Place) -> None:
    path = place.root.parent / "state/access.json"
    digest = accept(place)["baseline"]["digest"]
    for one, mode in ((path, 0o620), (path, 0o602), (path.parent, 0o770)):
        before = one.stat().st_mode & 0o777
        one.chmod(mode)
        answer = review(place)
        assert found(answer, "access.baseline") == {str(path): "critical"} and answer["baseline"] is None
        assert f"others than root can write {one}" in json.dumps(answer["checks"])
        with pytest.raises(UpkeepError, match="is not the baseline of expected_digest"):
            accept(place, expected_digest=digest)
        one.chmod(before)
    assert review(place)["status"] == "ok"
    path.rename(path.with_name("elsewhere.json"))
    path.symlink_to("elsewhere.json")
    assert found(review(place), "access.baseline") == {str(path): "critical"}
    path.unlink()
    path.mkdir()
    assert found(review(place), "access.baseline") == {str(path): "critical"}


def test_lists_are_bounded(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reviewing, "_MAX_NEW_ROWS", 5)
    monkeypatch.setattr(reviewing, "MAX_LISTED", 7)
    accept(place)
    place.replace("/etc/passwd", "nobody:", "".join(f"u{number}:x:{3000 + number}:1::/:/bin/false\n" for number in range(20)) + "nobody:")
    answer = review(place)
    new = [row for row in answer["checks"] if row["value"] == "new"]
    assert len(new) == 5 and found(answer, "access.accounts")["further accounts"] == "critical"
    assert len(answer["accounts"]) == 7 and len(answer["news"]["new"]["accounts"]) == 7


@pytest.mark.parametrize(
    ("result", "answer"),
    [
        (CommandResult((), 0, "/etc/sudoers: parsed OK", ""), ""),
        (CommandResult((), 1, "/etc/sudoers: parsed OK", "/etc/sudoers.d/a: bad permissions"), "/etc/sudoers.d/a: bad permissions"),
        (CommandResult((), None, "", "", problem="no such file"), None), (CommandResult((), -9, "", "", timed_out=True), None),
    ],
)  # fmt: skip
def test_what_visudo_says(monkeypatch: pytest.MonkeyPatch, result: CommandResult, answer: str | None) -> None:
    def visudo(argv: list[str], timeout_seconds: float) -> CommandResult:
        # With -q it says nothing of wrong modes, and fails all the same.
        return dataclasses.replace(result, stderr="") if "-q" in argv else result

    monkeypatch.setattr(reviewing, "run_command", visudo)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert reviewing._ask_visudo(1.0) == answer
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert reviewing._ask_visudo(1.0) is None


def test_what_visudo_says_becomes_a_row(place: Place) -> None:
    place.write("/etc/sudoers", "root ALL=ALL\n", 0o440)
    access = reviewing.read_access(Host(str(place.root)))
    for said, status in (("", set()), (None, {"unknown"}), ("wrong", {"critical"})):
        rows = judging.sudo_rows(access, expected=[], visudo=said)  # type: ignore[arg-type]
        assert {row["status"] for row in rows if row["subject"] == "visudo"} == status


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"state": "accepted"}, "reason:"), ({"state_directory": "x"}, "not absolute"), ({"unused_days": -1.0}, "unused_days"),
        ({"timeout_seconds": 0.0}, "timeout_seconds"),
    ],
)  # fmt: skip
def test_wrong_options_are_refused_in_words(place: Place, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UpkeepError, match=message):
        review(place, **options)


def test_looking_writes_nothing(place: Place) -> None:
    def listing() -> list[tuple[str, int]]:
        return sorted((str(path), path.lstat().st_mtime_ns) for path in Path(place.root.parent).rglob("*"))

    before = listing()
    review(place)
    accept(place, check_mode=True)
    assert listing() == before
