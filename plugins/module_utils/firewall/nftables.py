# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""nftables, as the program ``nft`` shows and changes it. A ruleset is loaded in one transaction: all of it, or nothing."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.commands import CommandResult, run_command
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

FAMILY = "inet"
INSTALL_HINT = "Install it: apt install nftables."
#: Where administration programs are, when the PATH of a login without them is inherited.
SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
_MAX_OUTPUT_BYTES = 64 * 1024 * 1024
_TIMEOUT_SECONDS = 60.0
#: Where nft says that something is wrong in what it was given in memory.
_PLACE = re.compile(r"/proc/\d+/fd/\d+:(\d+):\d+-\d+: ")

Row = dict[str, Any]


class Unseen(Exception):
    """The rules of the kernel cannot be seen; the message is a sentence.

    :param hint: how to mend it.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def find_nft() -> str:
    """Return the absolute path of ``nft``.

    :raises Unseen: when it is not installed.
    """
    found = shutil.which("nft", path=SEARCH_PATH)
    if found is None:
        raise Unseen("nftables is not installed here (the program nft).", hint=INSTALL_HINT)
    return os.path.abspath(found)


def list_table(name: str, family: str = FAMILY) -> list[Row] | None:
    """Return the objects of a table as ``nft`` describes them, or None when there is no such table.

    :raises Unseen: when nft is missing, may not look, or answers something else than JSON.
    """
    # Hours of rules are shown in the time zone of the host, and would be others after a change of the clocks.
    done = _run(["-j", "list", "table", family, name], {"TZ": "UTC"})
    if not done.succeeded and "No such file or directory" in done.stderr:
        return None
    return _objects(done)


def list_tables() -> list[Row]:
    """Return every table of the kernel, without what it holds.

    :raises Unseen: as :func:`list_table`.
    """
    return _objects(_run(["-j", "list", "tables"]))


def table_text(family: str, name: str) -> str:
    """Return a table as rules that bring it back.

    :raises Unseen: as :func:`list_table`, and when there is no such table.
    """
    done = _run(["list", "table", family, name])
    if not done.succeeded or done.truncated:
        raise Unseen(f"nft does not show the table {family} {name}: {_reason(done)}.")
    return done.stdout


def list_ruleset() -> list[Row]:
    """Return every object of the kernel's ruleset in this network namespace.

    :raises Unseen: as :func:`list_table`.
    """
    return _objects(_run(["-j", "list", "ruleset"]))


def load(ruleset: str, *, check_only: bool = False) -> None:
    """Load a ruleset in one transaction.

    It is handed over in memory: no file holds it, and it may be larger than a pipe.

    :param check_only: let nft and the kernel judge it, and change nothing.
    :raises UpkeepError: when it was refused; nothing has changed then.
    """
    descriptor = os.memfd_create("ruleset")
    try:
        with os.fdopen(os.dup(descriptor), "wb") as stream:
            stream.write(ruleset.encode())
        try:
            done = _run([*(["-c"] if check_only else []), "-f", f"/proc/{os.getpid()}/fd/{descriptor}"])
        except Unseen as exc:
            raise UpkeepError(f"{exc} {exc.hint}".strip()) from exc
    finally:
        os.close(descriptor)
    if not done.succeeded:
        raise UpkeepError(f"nft did not accept the rules, and nothing was changed: {_reason(done)}", ruleset=ruleset[:100_000])


def _run(arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> CommandResult:
    return run_command(
        [find_nft(), *arguments], timeout_seconds=_TIMEOUT_SECONDS, max_output_bytes=_MAX_OUTPUT_BYTES, environment=environment
    )


def _objects(done: CommandResult) -> list[Row]:
    if not done.succeeded or done.truncated:
        hint = "Run the task with become: true." if os.geteuid() != 0 else ""
        raise Unseen(f"nft does not show the rules: {_reason(done)}.", hint=hint)
    try:
        objects = json.loads(done.stdout)["nftables"]
        return [one for one in objects if isinstance(one, dict)]
    except (ValueError, KeyError, TypeError) as exc:
        raise Unseen("nft answers something else than JSON.", hint="nftables 1.0 or newer is needed.") from exc


def _reason(done: CommandResult) -> str:
    if done.timed_out:
        return f"it did not end within {_TIMEOUT_SECONDS:g} s"
    if done.truncated:
        return "its answer is too large"
    said = _PLACE.sub(r"line \1: ", done.problem or done.stderr)
    return plain(said, 300) or f"it ended with {done.returncode}"
