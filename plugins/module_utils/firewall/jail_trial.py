# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A copy of the configuration of fail2ban with new files in it, which its own programs judge before anything is changed."""

from __future__ import annotations

import os
import shutil
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


@contextmanager
def trial(configuration: Path, files: Mapping[str, str | None]) -> Iterator[Path]:
    """Yield a private copy of a configuration with files in it, and remove it afterwards.

    :param files: by path below the configuration, its text; None takes it away.
    :raises UpkeepError: when it cannot be copied.
    """
    folder = Path(tempfile.mkdtemp(prefix="upkeep-fail2ban-"))
    try:
        try:
            copy = folder / "configuration"
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
    log = copy.parent / "lines.log"
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
