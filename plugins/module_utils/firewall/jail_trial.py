# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A copy of the configuration of fail2ban with new files in it, which its own programs judge before anything is changed."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from ansible_collections.upkeep.runbook.plugins.module_utils.commands import CommandResult, run_command
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.jail_rules import Filter, matched_lines, read_dump
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.nftables import SEARCH_PATH
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

_TIMEOUT_SECONDS = 60.0
_MAX_OUTPUT_BYTES = 16 * 1024 * 1024
_PREFIX = "upkeep-fail2ban-"
_COPY, _LINES = "configuration", "lines.log"
_TRIES = 10


@contextmanager
def trial(configuration: Path, files: Mapping[str, str | None]) -> Iterator[Path]:
    """Yield a private copy of a configuration with files in it, and remove it afterwards.

    :param files: by path below the configuration, its text; None takes it away.
    :raises UpkeepError: when it cannot be copied.
    """
    folder, held = _own_folder()
    try:
        try:
            copy = folder / _COPY
            shutil.copytree(configuration, copy, symlinks=True)
            for name, text in files.items():
                (copy / name).unlink(missing_ok=True)
                if text is not None:
                    (copy / name).write_text(text, encoding="utf-8")
        except (OSError, shutil.Error) as exc:
            raise UpkeepError(f"{configuration} cannot be copied for a trial: {plain(str(exc), 200)}") from exc
        yield copy
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(held)


def clear_left_trials() -> None:
    """Remove the copies of runs that were killed: folders of this account with mode 0700 that no living run holds."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        try:
            held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            continue  # no folder, somebody else's, or gone by now
        try:
            if _is_ours(held):
                # The kernel lets go of it with the run, however that ended.
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _is_at(folder, held):
                    shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            pass  # a run is at work in it
        finally:
            os.close(held)


def _own_folder() -> tuple[Path, int]:
    """Return a new private folder, and the descriptor that holds it as long as this run lives.

    :raises UpkeepError: when there can be none.
    """
    for _attempt in range(_TRIES):
        held = -1
        try:
            folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
            held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            fcntl.flock(held, fcntl.LOCK_EX)
        except FileNotFoundError:
            pass
        except OSError as exc:
            raise UpkeepError(f"there is no room for a trial in {tempfile.gettempdir()}: {exc.strerror}") from exc
        else:
            if _is_at(folder, held):
                return folder, held
        # Before it was held, another run took it for one that was left.
        if held >= 0:
            os.close(held)
    raise UpkeepError(f"folders for a trial in {tempfile.gettempdir()} vanish as they are made")


def _is_ours(held: int) -> bool:
    status = os.fstat(held)
    return status.st_uid == os.geteuid() and stat.S_IMODE(status.st_mode) == 0o700 and set(os.listdir(held)) <= {_COPY, _LINES}


def _is_at(folder: Path, held: int) -> bool:
    try:
        return os.path.samestat(os.lstat(folder), os.fstat(held))
    except FileNotFoundError:
        return False


def try_configuration(copy: Path) -> dict[str, list[str]]:
    """Return the jails that a configuration starts, each with whom it never bans.

    :raises UpkeepError: when fail2ban does not accept it.
    """
    done = _run("fail2ban-client", "-c", str(copy), "-t")
    if not done.succeeded:
        raise UpkeepError(f"fail2ban does not accept the jails: {_said(done)}. Nothing was changed.")
    done = _run("fail2ban-client", "-c", str(copy), "-d")
    if not done.succeeded or done.truncated:
        raise UpkeepError(f"fail2ban does not show the jails: {_said(done)}. Nothing was changed.")
    return read_dump(done.stdout)


def try_filter(copy: Path, one: Filter) -> None:
    """Let a filter look at its sample lines.

    :raises UpkeepError: naming the line in which it finds nobody and should, or somebody and should not.
    """
    # Together first: one call for each line only where something is wrong.
    for lines, expected, wrong in ((one.must_match, True, "finds nobody in"), (one.must_not_match, False, "finds somebody in")):
        if _matched(copy, one, lines) == (len(lines) if expected else 0):
            continue
        bad = next((line for line in lines if _matched(copy, one, [line]) != int(expected)), "its lines, taken together")
        raise UpkeepError(f"the filter {one.name} {wrong} {plain(bad, 200)!r}. Nothing was changed.")


def _matched(copy: Path, one: Filter, lines: Sequence[str]) -> int:
    log = copy.parent / _LINES
    log.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    done = _run("fail2ban-regex", "-c", str(copy), "--usedns=no", str(log), one.name)
    found = matched_lines(done.stdout)
    if found is None:
        raise UpkeepError(f"the filter {one.name} cannot be used: {_said(done)}. Nothing was changed.")
    return found


def _run(program: str, *arguments: str) -> CommandResult:
    path = shutil.which(program, path=SEARCH_PATH)
    return run_command(
        [os.path.abspath(path) if path else program, *arguments], timeout_seconds=_TIMEOUT_SECONDS, max_output_bytes=_MAX_OUTPUT_BYTES,
        # A Python program itself, which shall find its own modules only.
        environment={"PYTHONPATH": ""},
    )


def _said(done: CommandResult) -> str:
    """Return what went wrong: the lines of errors, where there are some among its other messages."""
    lines = [line for line in f"{done.stderr}\n{done.stdout}".splitlines() if "ERROR" in line]
    told = "; ".join(line.partition("ERROR")[2].strip(" :") for line in lines)
    return plain(done.problem or told or done.stderr or done.stdout, 300) or f"it ended with {done.returncode}"
