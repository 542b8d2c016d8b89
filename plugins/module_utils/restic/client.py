# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""restic at work on one repository: each call with what opens it, waiting for its locks, failures in words."""

from __future__ import annotations

import json
import os
import socket
import stat
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.atomic_files import make_private_directory
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.restic import arguments
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.failures import (
    LOCKED,
    NO_PASSWORD,
    NO_PROGRAM,
    TIMED_OUT,
    ResticFailure,
    failure,
    kind_of,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.locks import Lock, all_dead, parse_lock, words
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.repository import Repository, read_repository
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.running import Ran, run_restic
from ansible_collections.upkeep.runbook.plugins.module_utils.text import decode, plain

_RETRY_SECONDS = 2.0
_MAX_TEXT_BYTES = 4 * 1024 * 1024
_MAX_LOCKS = 20
_WRITE_IT = "Write the password there, mode 0600."

Line = Callable[[bytes], None]


class Client:
    """One repository for the time of one call of a module.

    :param deadline: of the monotonic clock, for all calls together.
    :param lock_wait_seconds: how long to wait for others that work in the repository.
    :param unlock: remove locks when all of them are of processes of this host that do not run any more.
    :param only_looking: leave no lock in the repository and no cache on the host, as in check mode.
    :ivar cache_path: where restic keeps what it has read of the repository; encrypted, and made again when it is gone.
    """

    def __init__(
        self, repository: Repository, *, state_directory: str, deadline: float, lock_wait_seconds: float = 0.0,
        unlock: bool = False, only_looking: bool = False, pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.repository = repository
        self._deadline = deadline
        self._lock_deadline = time.monotonic() + lock_wait_seconds
        self._unlock = unlock
        self._only_looking = only_looking
        self._pause = pause
        self.cache_path = os.path.join(state_directory, "restic-cache")
        refuse_password_file(repository)

    @property
    def subject(self) -> str:
        return self.repository.subject

    @property
    def seconds_left(self) -> float:
        return max(0.0, self._deadline - time.monotonic())

    def call(
        self, given: Sequence[str], *, on_line: Line = lambda line: None, on_error: Line | None = None,
        accept: Sequence[int] = (0,), directory: str = "/",
    ) -> Ran:
        """Run restic; wait for locks of others first.

        :param accept: exit statuses that are no failure.
        :raises ResticFailure: when it could not do it.
        """
        while True:
            ran = self._run(given, on_line, on_error, directory)
            if ran.returncode in accept and not ran.timed_out:
                return ran
            self._refuse_unfinished(ran)
            if kind_of(ran.returncode, ran.errors) != LOCKED:
                raise failure(self.subject, ran.returncode, ran.errors)
            self._make_way(ran)

    def text(self, given: Sequence[str]) -> str:
        """Return what restic writes, at most 4 MiB.

        :raises ResticFailure: when it could not do it.
        """
        kept: list[bytes] = []
        room = _MAX_TEXT_BYTES

        def keep(line: bytes) -> None:
            nonlocal room
            room -= len(line) + 1
            if room >= 0:
                kept.append(line)

        self.call(given, on_line=keep)
        return decode(b"\n".join(kept))

    def answer(self, given: Sequence[str]) -> Any:
        """Return the value that restic writes as JSON in one line or many.

        :raises ResticFailure: when it could not do it, or writes something else.
        """
        text: list[bytes] = []
        self.call(given, on_line=text.append)
        try:
            return json.loads(b"\n".join(text))
        except ValueError:
            shown = plain(decode(b" ".join(text)[:200]), 100)
            raise UpkeepError(f"{self.subject}: restic {given[0]} wrote no JSON but {shown!r}; is its version supported?") from None

    def _run(self, given: Sequence[str], on_line: Line, on_error: Line | None, directory: str) -> Ran:
        repository = self.repository
        environment = {**repository.environment, "RESTIC_REPOSITORY": repository.location}
        if repository.password_file:
            environment["RESTIC_PASSWORD_FILE"] = repository.password_file
        if not self._only_looking:
            make_private_directory(Path(self.cache_path))
        ran = run_restic(
            self.argv(given), environment=environment, password=repository.password, deadline=self._deadline,
            on_line=on_line, on_error=on_error, directory=directory,
        )
        return Ran(ran.returncode, tuple(repository.mask(line) for line in ran.errors), ran.timed_out, ran.problem)

    def argv(self, given: Sequence[str]) -> list[str]:
        """Return the whole argument list of a call; it holds no secret."""
        extended = [f"--option={name}={value}" for name, value in self.repository.extended]
        quiet = ["--no-cache"] if self._only_looking else [f"--cache-dir={self.cache_path}", "--cleanup-cache"]
        if self._only_looking and "--no-lock" not in given:
            quiet.append("--no-lock")
        return [self.repository.program, *extended, *quiet, *given]

    def _refuse_unfinished(self, ran: Ran) -> None:
        if ran.problem:
            raise ResticFailure(
                NO_PROGRAM, f"{self.subject}: restic cannot be started ({plain(ran.problem, 200)}).", "Install the package restic.",
            )
        if ran.timed_out:
            raise ResticFailure(
                TIMED_OUT, f"{self.subject}: restic did not end in time and was ended.",
                "Give it more time (timeout_seconds), or look at the network.",
            )

    def _make_way(self, ran: Ran) -> None:
        """Return when it is worth trying again.

        :raises ResticFailure: when the repository stays locked.
        """
        locks, here = self.locks(), socket.gethostname()
        if self._unlock and all_dead(locks, here):
            self._unlock = False  # once: what restic then says is its answer
            self._run(arguments.unlock(), lambda line: None, None, "/")
            return
        if not locks:
            self._pause(0.1)  # the holder has ended
            if time.monotonic() < self._deadline:
                return
        if time.monotonic() >= min(self._lock_deadline, self._deadline):
            raise failure(self.subject, ran.returncode, ran.errors, words(locks, here))
        self._pause(_RETRY_SECONDS)

    def locks(self) -> list[Lock | None]:
        """Return the locks in the repository, at most 20; None for one that is unreadable.

        :raises ResticFailure: when they cannot be listed.
        """
        found: list[bytes] = []
        ran = self._run(arguments.list_locks(), found.append, None, "/")
        if ran.returncode != 0:
            raise failure(self.subject, ran.returncode, ran.errors)
        held: list[Lock | None] = []
        for line in found[:_MAX_LOCKS]:
            text: list[bytes] = []
            shown = self._run(arguments.lock(decode(line).strip()), text.append, None, "/")
            if shown.returncode == 0:  # otherwise it was released meanwhile
                held.append(parse_lock(decode(b"\n".join(text))))
        return held


def open_client(options: Mapping[str, Any], *, only_looking: bool) -> Client:
    """Return the client that the options of a module name; nothing is opened yet.

    :raises UpkeepError: naming the option that is not accepted.
    """
    repository = read_repository(options)
    return Client(
        repository, state_directory=options["state_directory"], deadline=time.monotonic() + options["timeout_seconds"],
        lock_wait_seconds=options["lock_wait_seconds"], unlock=options["unlock"], only_looking=only_looking,
    )


def refuse_password_file(repository: Repository) -> None:
    """Raise unless the file with the password is there and readable.

    :raises ResticFailure: when it is not; restic's own words name neither the option nor the reason.
    """
    path = repository.password_file
    if not path:
        return
    try:
        with open(path, "rb") as stream:
            empty = not stream.read(4096).strip()
            kind = os.fstat(stream.fileno()).st_mode
    except OSError as exc:
        raise ResticFailure(NO_PASSWORD, f"password_file: {plain(path, 200)}: {exc.strerror}.", _WRITE_IT) from exc
    if empty or not stat.S_ISREG(kind):
        raise ResticFailure(NO_PASSWORD, f"password_file: {plain(path, 200)} holds no password.", _WRITE_IT)


def record(line: bytes) -> Mapping[str, Any]:
    """Return the JSON object of a line of restic, or an empty one for a line that is none."""
    if not line.startswith(b"{"):
        return {}
    try:
        value = json.loads(line)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
