"""Secrets that are rotated by a process that is killed at each of its steps, and on a disk that is full."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.secret_rotation import putting_back, rotating
from ansible_collections.upkeep.runbook.plugins.module_utils.secret_rotation.rotating import rotate_secrets
from ansible_collections.upkeep.runbook.plugins.module_utils.secret_rotation.settings_file import Settings, replace_settings
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now
from ansible_collections.upkeep.runbook.tests.faults.forking import forked
from ansible_collections.upkeep.runbook.tests.faults.small_disk import PAGE, small_disk

OLD = "an-old-secret-of-two-services"
#: What Python does to files, as it tells its auditors.
_STEPS = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.chown", "os.truncate", "fcntl.flock")


@dataclass
class Site:
    """Two services that share a secret."""

    folder: Path

    def __post_init__(self) -> None:
        self.state = self.folder / "state"
        self.files = [self.folder / name / ".env" for name in ("api", "worker")]
        for number, path in enumerate(self.files):
            path.parent.mkdir()
            path.write_text(f"NUMBER={number}\nTOKEN_SECRET={OLD}\n# the end\n")

    def call(self, state: str = "present", **options: Any) -> dict[str, Any]:
        secret = {"places": [{"path": str(path), "key": "TOKEN_SECRET"} for path in self.files], "encoding": "base64url", "bytes": 48, "characters": 64}
        params = {
            "state": state, "rotation_id": "INC-42", "secrets": [secret] if state == "present" else [],
            "state_directory": str(self.state), "only_unconfirmed": False, "release_days": 30, "lock_wait_seconds": 0.0, "run_id": None, **options,
        }
        return rotate_secrets(params, now=utc_now(), check_mode=False)

    def values(self) -> list[str]:
        """Return the secret of each service, whose file is whole."""
        found = []
        for number, path in enumerate(self.files):
            match = re.fullmatch(rf"NUMBER={number}\nTOKEN_SECRET=(.+)\n# the end\n", path.read_text())
            assert match, path.read_text()
            found.append(match[1])
        return found

    def leftovers(self) -> list[str]:
        """Return what is beside the files of the services, or in the state directory and not noted."""
        beside = [one.name for path in self.files for one in path.parent.iterdir() if one != path]
        return beside + [one.name for one in self.state.rglob("*") if one.name.endswith(".new")]

    def copies(self) -> int:
        return len([path for path in self.state.glob("secrets/*/*") if path.is_file()])

    def killed(self, state: str, step: int) -> bool:
        """Let a process do it that is killed before one of its steps; return whether it was."""

        def work() -> None:
            left = [step]

            def count(event: str, _arguments: object) -> None:
                if event in _STEPS:
                    left[0] -= 1
                    if left[0] == 0:
                        os.kill(os.getpid(), signal.SIGKILL)

            sys.addaudithook(count)
            self.call(state)

        status = os.waitstatus_to_exitcode(os.waitpid(forked(work), 0)[1])
        assert status in (0, -signal.SIGKILL)
        return status != 0


def every_step(make: Callable[[int], Site], state: str, prepare: Callable[[Site], object]) -> Iterator[Site]:
    """Yield a place for each step before which a process was killed that did what ``state`` says."""
    step, killed = 0, True
    while killed:
        step += 1
        site = make(step)
        prepare(site)
        killed = site.killed(state, step)
        yield site
    assert step > 10, "nothing was killed in the middle"


@pytest.fixture
def make(root: None, tmp_path: Path) -> Iterator[Callable[[int], Site]]:
    """Make places in memory, since each of them is flushed to its disk a hundred times."""
    with small_disk(tmp_path / "memory", 32 * 1024 * 1024) as disk:

        def made(number: int) -> Site:
            folder = disk.path / str(number)
            folder.mkdir()
            return Site(folder)

        yield made


def test_killed_while_it_rotates(make: Callable[[int], Site]) -> None:
    mixed = 0
    for site in every_step(make, "present", lambda _site: None):
        values = site.values()
        assert len(set(values) - {OLD}) <= 1
        if len(set(values)) > 1:
            mixed += 1
            found = site.call("query")
            assert found["status"] == "critical", "some have the new value, and nobody knows"
            assert all("a run was killed while it exchanged TOKEN_SECRET" in row["summary"] for row in found["checks"])
        site.call()
        after = site.values()
        assert len(set(after)) == 1 and OLD not in after
        assert not site.leftovers() and site.copies() == 2
        # What was noted before the kill is what is put back.
        site.call("previous")
        assert site.values() == [OLD] * 2 and not site.leftovers() and site.copies() == 0
    assert mixed, "no kill came between two files"


def test_killed_while_it_rotates_and_then_put_back(make: Callable[[int], Site]) -> None:
    """Also the next run that was started for something else repairs."""
    for site in every_step(make, "present", lambda _site: None):
        whole = len(set(site.values())) == 1 and OLD not in site.values() and not site.call("query")["status"] == "critical"
        site.call("confirmed")
        assert site.values() == [OLD] * 2 or (whole and len(set(site.values())) == 1)
        site.call("previous")
        assert site.values() == [OLD] * 2 and site.copies() == 0
        assert not site.leftovers()


def test_killed_while_it_puts_back(make: Callable[[int], Site]) -> None:
    mixed = 0
    for site in every_step(make, "previous", lambda site: site.call()):
        if len(set(site.values())) > 1:
            mixed += 1
            assert site.call("query")["status"] == "critical"
            site.call("confirmed")  # whatever the next run was started for
            assert site.values() == [OLD] * 2
        site.call("previous")
        assert site.values() == [OLD] * 2 and not site.leftovers() and site.copies() == 0
    assert mixed, "no kill came between two files"


def test_killed_while_it_forgets(make: Callable[[int], Site]) -> None:
    for site in every_step(make, "released", lambda site: site.call()):
        new = site.values()
        site.call("released")
        assert site.values() == new and OLD not in new and site.copies() == 0
        assert not site.call()["rotated"], "what was forgotten still counts as rotated"


def test_a_file_that_cannot_be_written_takes_the_others_back(make: Callable[[int], Site], monkeypatch: pytest.MonkeyPatch) -> None:
    site = make(1)

    def refusing(path: str, before: Settings, content: bytes) -> None:
        if path == str(site.files[1]):
            raise UpkeepError(f"cannot write {path}: it is immutable")
        replace_settings(path, before, content)

    with monkeypatch.context() as patched:
        patched.setattr(rotating, "replace_settings", refusing)
        with pytest.raises(UpkeepError, match="it is immutable; all files have their old values"):
            site.call()
    assert site.values() == [OLD] * 2 and site.copies() == 0 and site.call("query")["secrets"] == []
    assert site.call()["rotated"] and OLD not in site.values()


def test_what_cannot_be_put_back_either_is_said_first_and_by_the_next_run(make: Callable[[int], Site], monkeypatch: pytest.MonkeyPatch) -> None:
    site = make(1)

    def refusing(path: str, before: Settings, content: bytes) -> None:
        if len(set(site.values())) > 1:
            raise UpkeepError(f"cannot write {path}: it is immutable")
        replace_settings(path, before, content)

    with monkeypatch.context() as patched:
        patched.setattr(rotating, "replace_settings", refusing)
        patched.setattr(putting_back, "replace_settings", refusing)
        with pytest.raises(UpkeepError, match="^NOT everything could be put back, the next run tries it: .* it began with: cannot write"):
            site.call()
    assert site.call("query")["status"] == "critical" and len(set(site.values())) == 2
    # What somebody sets meanwhile is not said to have its old value again.
    site.files[0].write_text("NUMBER=0\nTOKEN_SECRET=set-by-hand\n# the end\n")
    found = site.call("confirmed")
    assert site.values() == ["set-by-hand", OLD] and found["left"] == [{"path": str(site.files[0]), "keys": ["TOKEN_SECRET"]}]
    assert found["repaired"] == [] and found["status"] == "warning", "the other one was put back by the run that failed"


@pytest.mark.usefixtures("root")
def test_a_full_disk_leaves_all_or_none(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        site, refused, room = Site(disk.path), 0, 0
        site.call("query")
        while set(site.values()) == {OLD}:
            disk.leave_free(room * PAGE)
            try:
                site.call()
            except UpkeepError as exc:
                refused, room = refused + 1, room + 1
                assert "No space left" in exc.message and site.values() == [OLD] * 2 and not site.leftovers(), exc.message
                disk.make_room()
                site.call("confirmed")
                assert site.values() == [OLD] * 2 and not site.leftovers() and site.copies() == 0
        assert refused > 3 and len(set(site.values())) == 1
