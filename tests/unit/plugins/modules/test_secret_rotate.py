"""The module: new values in real files, what it refuses, what it takes back, and that no value is ever told."""

from __future__ import annotations

import json
import os
import re
import stat
import struct
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.tests.unit.plugins.modules.module_process import run_module
from ansible_collections.upkeep.runbook.tests.unit.plugins.needing_root import root

__all__ = ["root"]

OLD = "an-old-secret-of-the-shop"
TEXT = f"# The shop\nPORT=3000\nexport JWT_SECRET='{OLD}' # signs\r\nSESSION_SECRET=session-{OLD}\n"
ID = "INC-42"


@dataclass
class Shop:
    """Two files of settings that share a secret, and a state directory."""

    folder: Path

    def __post_init__(self) -> None:
        self.state = self.folder / "state"
        self.env, self.other = self.folder / "shop" / ".env", self.folder / "worker" / ".env"
        for path, text in ((self.env, TEXT), (self.other, f"TOKEN_SECRET={OLD}\n")):
            path.parent.mkdir()
            path.write_bytes(text.encode())
            path.chmod(0o640)

    @property
    def shared(self) -> dict[str, Any]:
        return {"places": [{"path": str(self.env), "key": "JWT_SECRET"}, {"path": str(self.other), "key": "TOKEN_SECRET"}]}

    @property
    def session(self) -> dict[str, Any]:
        return {"places": [{"path": str(self.env), "key": "SESSION_SECRET"}], "encoding": "hex", "bytes": 32}

    def call(self, state: str = "present", *secrets: dict[str, Any], **options: Any) -> dict[str, Any]:
        given = {"state": state, "rotation_id": ID, "secrets": list(secrets), "state_directory": str(self.state), **options}
        answer = run_module("secret_rotate", given)
        # Whatever it says: no value, neither an old nor a new one, and no record holds one either.
        told = json.dumps({**answer, "invocation": None}) + "".join(path.read_text() for path in self.state.rglob("*.json"))
        for value in (OLD, *self.values()):
            assert value not in told
        return answer

    def values(self) -> list[str]:
        """Return the secrets as they are now."""
        text = self.env.read_text() + self.other.read_text()
        return [one.strip("'") for one in re.findall(r"_SECRET=('[^']*'|\S+)", text)]

    def texts(self) -> tuple[bytes, bytes]:
        return self.env.read_bytes(), self.other.read_bytes()

    def copies(self) -> list[Path]:
        return [path for path in self.state.glob("secrets/*/*") if path.is_file()]

    def written(self) -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in self.folder.rglob("*") if path.is_file() and path.suffix != ".lock"}


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def summaries(answer: dict[str, Any]) -> str:
    return " ".join(row["summary"] for row in answer["checks"])


def test_check_run_check_run(shop: Shop) -> None:
    before = shop.written()
    planned = shop.call("present", shop.shared, shop.session, _ansible_check_mode=True, _ansible_diff=True)
    rotated = [{"path": str(shop.env), "keys": ["JWT_SECRET", "SESSION_SECRET"]}, {"path": str(shop.other), "keys": ["TOKEN_SECRET"]}]
    assert planned["changed"] and planned["rotated"] == rotated and shop.written() == before
    assert f"{shop.env}: JWT_SECRET (rotated)\n" in planned["diff"]["after"]

    done = shop.call("present", shop.shared, shop.session)
    assert done["changed"] and done["rotated"] == done["unconfirmed"] == rotated and done["status"] == "warning"
    value, session, same = shop.values()
    assert value == same != OLD and re.fullmatch(r"[A-Za-z0-9_-]{64}", value) and re.fullmatch("[0-9a-f]{64}", session)
    # Everything else is as it was.
    assert shop.env.read_bytes().decode() == TEXT.replace(f"session-{OLD}", session).replace(OLD, value)
    assert stat.S_IMODE(shop.env.stat().st_mode) == 0o640
    assert {stat.S_IMODE(path.stat().st_mode) for path in shop.copies()} == {0o600} and TEXT.encode() in {path.read_bytes() for path in shop.copies()}
    assert {stat.S_IMODE(path.stat().st_mode) for path in shop.state.rglob("*") if path.is_dir()} == {0o700}

    after = shop.written()
    for check in (True, False):
        again = shop.call("present", shop.shared, shop.session, _ansible_check_mode=check)
        assert not again["changed"] and not again["rotated"] and again["unconfirmed"] == rotated and shop.written() == after

    assert shop.call("confirmed")["status"] == "ok" and not shop.call("confirmed")["changed"]
    assert shop.call("query", rotation_id="")["status"] == "ok"
    # Another id is another rotation.
    assert shop.call("present", shop.session, rotation_id="INC-43")["changed"] and shop.values()[1] != session


def test_previous_puts_back_byte_for_byte_and_forgets(shop: Shop) -> None:
    before = shop.texts()
    shop.call("present", shop.shared, shop.session)
    planned = shop.call("previous", _ansible_check_mode=True)
    assert planned["changed"] and shop.texts() != before
    back = shop.call("previous")
    assert back["changed"] and back["put_back"] == planned["put_back"] and shop.texts() == before and back["secrets"] == []
    assert not shop.copies() and not shop.call("previous")["changed"]
    assert not list((shop.state / "secrets").iterdir())


def test_what_somebody_has_changed_since_stays_and_the_rest_is_put_back(shop: Shop) -> None:
    shop.call("present", shop.shared, shop.session)
    shop.env.write_text(shop.env.read_text().replace("PORT=3000", "PORT=4000").replace(shop.values()[1], "set-by-hand-1234"))
    assert "somebody has changed SESSION_SECRET since" in summaries(shop.call("query"))
    back = shop.call("previous")
    assert back["left"] == [{"path": str(shop.env), "keys": ["SESSION_SECRET"]}] and back["status"] == "warning"
    assert shop.values() == [OLD, "set-by-hand-1234", OLD] and "PORT=4000" in shop.env.read_text()


def test_what_is_confirmed_can_be_left_as_it_is(shop: Shop) -> None:
    shop.call("present", shop.shared)
    shop.call("confirmed")
    value = shop.values()[0]
    shop.call("present", shop.shared, shop.session)
    assert shop.call("previous", only_unconfirmed=True)["put_back"] == [{"path": str(shop.env), "keys": ["SESSION_SECRET"]}]
    assert shop.values() == [value, f"session-{OLD}", value]


def test_released_old_values_are_gone_for_good(shop: Shop) -> None:
    shop.call("present", shop.shared)
    shop.call("confirmed")
    kept = shop.call("query")
    assert "is kept for root" in summaries(kept) and kept["secrets"][0]["kept"]
    assert shop.call("released", _ansible_check_mode=True)["changed"] and shop.copies()
    after, released = shop.texts(), shop.call("released")
    assert released["changed"] and len(released["forgotten"]) == 2 and not shop.copies() and not shop.call("released")["changed"]
    refused = shop.call("previous")
    assert refused["failed"] and "was forgotten" in refused["msg"] and shop.texts() == after
    # It still counts as rotated.
    assert not shop.call("present", shop.shared)["changed"] and shop.call("query")["status"] == "ok"


def test_half_a_copy_cannot_be_released(shop: Shop) -> None:
    shop.call("present", shop.shared, shop.session)
    for check in (True, False):
        refused = shop.call("released", shop.session, _ansible_check_mode=check)
        assert refused["failed"] and "has that of JWT_SECRET as well; release both" in refused["msg"] and len(shop.copies()) == 2
    assert shop.call("released", shop.session, shop.shared)["changed"] and not shop.copies()


def test_a_place_that_was_forgotten_gets_the_same_value(shop: Shop) -> None:
    shop.call("present", {"places": shop.shared["places"][:1]})
    value = shop.values()[0]
    later = shop.call("present", shop.shared)
    assert later["rotated"] == [{"path": str(shop.other), "keys": ["TOKEN_SECRET"]}]
    assert [shop.values()[0], shop.values()[2]] == [value, value]


def test_an_old_value_that_is_back_is_told_and_rotated_anew_to_what_the_others_have(shop: Shop) -> None:
    before = shop.other.read_bytes()
    shop.call("present", shop.shared)
    shop.call("confirmed")
    shop.other.write_bytes(before)  # restored from a backup, say
    found = shop.call("query")
    assert found["status"] == "critical" and "TOKEN_SECRET has the value again that it had before" in summaries(found)
    again = shop.call("present", shop.shared)
    assert again["rotated"] == again["unconfirmed"] == [{"path": str(shop.other), "keys": ["TOKEN_SECRET"]}]
    assert shop.values()[0] == shop.values()[2] != OLD
    shop.call("previous")
    assert shop.values()[0] == shop.values()[2] == OLD


def test_an_old_value_that_is_back_and_is_not_meant_is_not_forgotten(shop: Shop) -> None:
    shop.call("present", shop.shared, shop.session)
    shop.call("confirmed")
    shop.env.write_bytes(TEXT.encode())  # restored from a backup, with both secrets
    assert shop.call("present", shop.session)["rotated"] == [{"path": str(shop.env), "keys": ["SESSION_SECRET"]}]
    found = shop.call("query")
    assert found["status"] == "critical" and "JWT_SECRET has the value again that it had before" in summaries(found)


def test_what_was_rotated_again_under_another_id_is_still_released(shop: Shop) -> None:
    shop.call("present", shop.shared)
    time.sleep(1.1)  # the record knows seconds
    shop.call("present", shop.shared, rotation_id="INC-43")
    found = shop.call("query")
    assert [one["kept"] for one in found["secrets"]] == [True, True], "its copies have old values"
    assert found["unconfirmed"] == found["checks"] == [], "they are no secrets of this id any more"
    released = shop.call("released")
    assert len(released["forgotten"]) == 2 and released["secrets"] == []
    assert len(shop.copies()) == 2, "those of the other id"


def test_old_values_that_are_kept_for_long_are_told(shop: Shop) -> None:
    def told(answer: dict[str, Any]) -> list[tuple[str, str, Any]]:
        return [(row["subject"], row["status"], row["value"]) for row in answer["checks"] if row["check"] == "secret.kept"]

    shop.call("present", shop.shared)
    record = shop.state / "secrets" / f"{ID}.json"
    old = json.loads(record.read_text())
    since = old["entries"][0]["since"]
    assert told(shop.call("query", release_days=1)) == []
    record.write_text(record.read_text().replace(since, "2020-01-02T03:04:05Z"))
    assert told(shop.call("query")) == [], "nobody has confirmed the new ones, so the old ones may be needed"
    shop.call("confirmed")
    assert told(shop.call("query", release_days=0)) == []
    shop.call("present", shop.shared, rotation_id="INC-43")
    found = shop.call("query", rotation_id="")
    assert told(found) == [(ID, "warning", 2)] and "JWT_SECRET, TOKEN_SECRET from before 2020-01-02T03:04:05Z" in summaries(found)
    assert told(shop.call("present", shop.shared)) == [], "who rotates is not asked for that"
    shop.call("released")
    assert told(shop.call("query", rotation_id="")) == []


def test_where_nothing_was_rotated_that_is_said(shop: Shop) -> None:
    found = shop.call("query", rotation_id="")
    assert (found["status"], summaries(found)) == ("ok", "No secret was rotated on this host.")


def test_a_folder_that_cannot_be_looked_at_is_not_taken_for_an_empty_one(shop: Shop) -> None:
    shop.state.mkdir()
    (shop.state / "secrets").write_text("no folder")
    found = shop.call("query", rotation_id="")
    assert found["failed"] and "cannot look for rotated secrets" in found["msg"]


def test_an_id_that_looks_like_a_record_of_another_one_is_refused(shop: Shop) -> None:
    before = shop.texts()
    assert "is no id" in shop.call("present", shop.shared, rotation_id="INC.json")["msg"] and shop.texts() == before
    assert shop.call("present", shop.shared, rotation_id="INC")["changed"]


def test_an_old_value_elsewhere_in_the_file_is_told(shop: Shop) -> None:
    shop.other.write_text(f"TOKEN_SECRET={OLD}\n# before: {OLD}\n")
    shop.call("present", {"places": shop.shared["places"][1:]})
    assert "TOKEN_SECRET was rotated at" in summaries(shop.call("confirmed")) and "still stands elsewhere" in summaries(shop.call("query"))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda path: path.unlink(), "No such file"),
        (lambda path: path.write_text("TOKEN_SECRET=1\nTOKEN_SECRET=2\n"), "it has TOKEN_SECRET 2 times"),
        (lambda path: path.write_text("A=1\n"), "it has no TOKEN_SECRET"),
        (lambda path: path.chmod(0o660), "can be written by others"),
        (lambda path: path.chmod(0o642), "can be written by others"),
        (lambda path: os.link(path, path.with_name("second")), "has a second name"),
        (lambda path: path.rename(path.with_name("real")).with_name(".env").symlink_to("real"), "is a link"),
        (lambda path: (path.unlink(), os.mkfifo(path)), "is no regular file"),
        (lambda path: (path.unlink(), path.mkdir()), "is no regular file"),
        (lambda path: path.parent.chmod(0o777), "can be exchanged by others"),
        (lambda path: path.parent.rename(path.parent.with_name("real")).with_name("worker").symlink_to("real"), "is a link or no folder"),
        (lambda path: path.write_text("A" * 1_048_577), "has more than"),
    ],
    ids=["missing", "twice", "no key", "group", "others", "hard link", "link", "pipe", "folder", "open folder", "link to folder", "large"],
)
def test_one_file_that_is_refused_keeps_all_from_being_written(shop: Shop, spoil: Any, reason: str) -> None:
    spoil(shop.other)
    before = shop.env.read_bytes()
    for check in (True, False):
        given = {"rotation_id": ID, "secrets": [shop.shared, shop.session], "state_directory": str(shop.state)}
        refused = run_module("secret_rotate", {**given, "_ansible_check_mode": check})
        assert refused["failed"] and reason in refused["msg"] and "Nothing was changed." in refused["msg"], refused
        assert OLD not in json.dumps(refused) and shop.env.read_bytes() == before and not shop.copies()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"secrets": []}, "name at least one"),
        ({"rotation_id": "../x"}, "is no id"),
        ({"rotation_id": ""}, "is no id"),
        ({"secrets": [{"places": []}]}, "name at least one file and key"),
        ({"secrets": [{"places": [{"path": "/x", "key": "A B"}]}]}, "is no name of a key"),
        ({"secrets": [{"places": [{"path": "/x", "key": "A"}]}, {"places": [{"path": "/x", "key": "A"}]}]}, "is named twice"),
        ({"secrets": [{"places": [{"path": "/x", "key": "A"}], "bytes": 4}]}, "bytes must be between 16 and 512"),
        ({"secrets": [{"places": [{"path": "/x/../y", "key": "A"}]}]}, "is no absolute path"),
    ],
)
def test_wrong_options(tmp_path: Path, options: dict[str, Any], reason: str) -> None:
    given = {"rotation_id": ID, "secrets": [{"places": [{"path": "/x", "key": "A"}]}], "state_directory": str(tmp_path / "state"), **options}
    refused = run_module("secret_rotate", given)
    assert refused["failed"] and reason in refused["msg"]


def test_a_record_that_cannot_be_read_is_unknown_and_keeps_from_rotating(shop: Shop) -> None:
    (shop.state / "secrets").mkdir(parents=True)
    (shop.state / "secrets" / "INC-1.json").write_text("{")
    before = shop.texts()
    assert "is no record of a rotation" in shop.call("present", shop.shared)["msg"] and shop.texts() == before


def acl(user: int) -> bytes:
    """Return a list of rights, as the kernel keeps it, by which one more user may read."""
    entries = [(0x01, 6, -1), (0x02, 4, user), (0x04, 4, -1), (0x10, 4, -1), (0x20, 0, -1)]
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in entries)


def test_owner_and_rights_stay(shop: Shop, root: None) -> None:
    os.chown(shop.env, 12_345, 12_346)
    os.setxattr(shop.env, "system.posix_acl_access", acl(12_347))
    os.setxattr(shop.other.parent, "system.posix_acl_default", acl(12_348))  # what each new file there gets
    os.setxattr(shop.env, "user.note", b"keep")
    before = [shop.env.stat(), shop.other.stat()]
    assert shop.call("present", shop.shared)["changed"]
    for path, status in zip((shop.env, shop.other), before):
        now = path.stat()
        assert (now.st_uid, now.st_gid, now.st_mode) == (status.st_uid, status.st_gid, status.st_mode)
    assert os.getxattr(shop.env, "system.posix_acl_access") == acl(12_347) and os.getxattr(shop.env, "user.note") == b"keep"
    assert os.listxattr(shop.other) == []


def test_two_at_once_are_one_after_the_other(shop: Shop) -> None:
    answers: list[dict[str, Any]] = []
    given = {"rotation_id": ID, "secrets": [shop.shared], "state_directory": str(shop.state)}
    threads = [threading.Thread(target=lambda: answers.append(run_module("secret_rotate", given))) for _number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer["changed"] for answer in answers) == [False, True] and shop.values()[0] == shop.values()[2]
