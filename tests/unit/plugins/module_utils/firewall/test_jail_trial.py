"""The copy of a configuration in which jails are tried: gone afterwards, also after a run that was killed, and nothing else goes with it."""

from __future__ import annotations

import fcntl
import os
import signal
import tempfile
from pathlib import Path

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.jail_trial import clear_left_trials, trial


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    (tmp_path / "fail2ban" / "jail.d").mkdir(parents=True)
    (tmp_path / "fail2ban" / "jail.d" / "old.local").write_text("[old]\n")
    return tmp_path / "fail2ban"


def test_a_trial_is_private_and_gone_afterwards(temporary: Path, configuration: Path) -> None:
    with trial(configuration, {"jail.d/new.local": "[new]\n", "jail.d/old.local": None}) as copy:
        assert [path.name for path in (copy / "jail.d").iterdir()] == ["new.local"]
        assert copy.parent.stat().st_mode & 0o777 == 0o700 and copy.parent.parent == temporary
    with pytest.raises(UpkeepError, match="cannot be copied for a trial"), trial(configuration / "nowhere", {}):
        pass
    assert not list(temporary.iterdir())


def test_what_a_killed_run_left_is_cleared_and_what_a_living_one_has_is_not(temporary: Path, configuration: Path) -> None:
    child = os.fork()
    if child == 0:
        with trial(configuration, {}):
            os.kill(os.getpid(), signal.SIGKILL)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
    (left,) = temporary.iterdir()
    with trial(configuration, {}) as copy:
        (copy.parent / "lines.log").write_text("a line\n")
        clear_left_trials()
        assert list(temporary.iterdir()) == [copy.parent] and left != copy.parent and (copy / "jail.d" / "old.local").exists()
    assert not list(temporary.iterdir())


def test_what_is_not_a_trial_of_ours_stays(temporary: Path, configuration: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_to_all, with_more, file = (temporary / f"upkeep-fail2ban-{name}" for name in ("open", "more", "file"))
    open_to_all.mkdir(mode=0o755)
    with_more.mkdir(mode=0o700)
    (with_more / "other").touch()
    file.touch()
    (temporary / "upkeep-fail2ban-link").symlink_to(configuration)
    configuration.chmod(0o700)
    (temporary / "other").mkdir(mode=0o700)
    before = sorted(temporary.rglob("*"))
    clear_left_trials()
    assert sorted(temporary.rglob("*")) == before
    foreign = temporary / "upkeep-fail2ban-foreign"
    foreign.mkdir(mode=0o700)
    monkeypatch.setattr(os, "geteuid", lambda: foreign.stat().st_uid + 1)
    clear_left_trials()
    assert foreign.exists()
    monkeypatch.undo()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    clear_left_trials()
    assert not foreign.exists() and configuration.exists()


def test_a_folder_that_another_run_has_cleared_before_it_was_held_is_made_anew(
    temporary: Path, configuration: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flock, cleared = fcntl.flock, list[Path]()

    def late(held: int, how: int) -> None:
        if not cleared:
            cleared.extend(temporary.iterdir())
            cleared[0].rmdir()
        flock(held, how)

    monkeypatch.setattr(fcntl, "flock", late)
    with trial(configuration, {}) as copy:
        assert copy.parent != cleared[0] and (copy / "jail.d" / "old.local").exists()
