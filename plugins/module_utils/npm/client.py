# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The real npm, asked for an audit: in a private folder, with nothing of the project but its manifest and lockfile.

There it finds neither an ``.npmrc`` of the project, which could send it to another registry, nor a script to run, and
whatever it writes goes away with the folder.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.commands import CommandResult, run_command
from ansible_collections.upkeep.runbook.plugins.module_utils.npm.projects import Project, Unaudited
from ansible_collections.upkeep.runbook.plugins.module_utils.npm.reports import read_report
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.discretion import without_credentials
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

KINDS = ("dev", "optional", "peer")
#: HTTP statuses and error codes of npm, as words of their own: a port has such digits, too.
_NO_AUDITS = re.compile(r"(?<![:\w])E?(?:404|405|501)(?!\w)")
_NOT_ALLOWED = re.compile(r"(?<![:\w])E?(?:401|403)(?!\w)")
MAX_REPORT_BYTES = 32 * 1024 * 1024
#: Settings of npm for all users of a host.
GLOBAL_CONFIG = "/etc/npmrc"
_INSTALL_HINT = "Install npm on this host (Debian and Ubuntu: apt install npm), or name it in the option executable."
_TIME_HINT = "See whether this host reaches its registry (npm ping), or raise timeout_seconds."
_LONGEST_PAUSE_SECONDS = 10.0
#: With less time left npm is not asked any more.
_LEAST_SECONDS = 0.5
#: What an attempt gets at least, when that much is left: a slow host needs some seconds to start npm.
_ATTEMPT_SECONDS = 5.0


@dataclass(frozen=True)
class Client:
    """How npm is asked.

    :ivar executable: name or path of npm.
    :ivar registry: URL, or None for the one that npm is configured with.
    :ivar config_file: settings of npm instead of those of the user and of the host, or None.
    :ivar retries: further attempts after the first.
    :ivar scratch: a folder that is ours alone.
    """

    executable: str
    registry: str | None
    config_file: str | None
    omit: Collection[str]
    retries: int
    scratch: str


def find_npm(executable: str) -> str:
    """Return the absolute path of npm.

    :raises Unaudited: when there is none.
    """
    found = shutil.which(executable, path=f"{os.environ.get('PATH', '/usr/bin:/bin')}:/usr/local/bin")
    if not found:
        raise Unaudited(f"{executable} is not installed on this host", hint=_INSTALL_HINT)
    return os.path.abspath(found)


@contextmanager
def private_folder(parent: str | None) -> Iterator[str]:
    """Make a folder that only this user may enter, and remove it with all that is in it."""
    path = tempfile.mkdtemp(prefix="upkeep-npm-", dir=parent)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def audit_arguments(client: Client, folder: str, timeout_seconds: float) -> list[str]:
    """Return the command line that audits the project in ``folder``.

    What decides whether an answer is whole is said here, since settings of the user or of the host may say otherwise:
    ``offline=true`` and ``NODE_ENV=production`` would make npm look at less and call it clean.
    """
    home = os.path.expanduser("~")
    user_config = client.config_file or os.path.join(home, ".npmrc")
    global_config = os.path.join(client.scratch, "no-npmrc") if client.config_file else GLOBAL_CONFIG
    arguments = [
        client.executable, "audit", "--json", "--package-lock-only", "--package-lock=true", "--ignore-scripts=true",
        "--global=false", "--offline=false", "--dry-run=false", "--fund=false", "--update-notifier=false",
        "--progress=false", "--color=false", "--loglevel=error", "--fetch-retries=0",
        f"--fetch-timeout={int(timeout_seconds * 1000)}",
        f"--prefix={folder}", f"--cache={os.path.join(client.scratch, 'cache')}",
        f"--userconfig={user_config}", f"--globalconfig={global_config}",
        *(f"--{'omit' if kind in client.omit else 'include'}={kind}" for kind in KINDS),
    ]
    if client.registry:
        arguments.append(f"--registry={client.registry}")
    return arguments


def audit_environment(client: Client) -> dict[str, str]:
    """Return what is added to the environment: node is found beside npm, and everything is written to our folder."""
    return {
        "PATH": f"{os.path.dirname(client.executable)}:{os.environ.get('PATH', '/usr/bin:/bin')}",
        "HOME": client.scratch,
        "TMPDIR": client.scratch,
        "NODE_DISABLE_COMPILE_CACHE": "1",
    }


def audit(
    client: Client, project: Project, deadline: float, pause: Callable[[float], None] = time.sleep
) -> tuple[list[dict[str, Any]], int]:
    """Return the vulnerabilities that npm reports, and how many attempts it took.

    :param deadline: moment of ``time.monotonic()`` at which all attempts are over.
    :raises Unaudited: when there is no report until then.
    """
    client = replace(client, executable=find_npm(client.executable))
    began, attempt = time.monotonic(), 0
    while True:
        attempt += 1
        remaining = deadline - time.monotonic()
        if remaining < _LEAST_SECONDS:
            raise Unaudited("the time for all projects was over before npm could be asked", hint=_TIME_HINT)
        # A registry that says nothing shall not use up the time of the attempts that follow.
        share = max(remaining / (client.retries + 2 - attempt), min(remaining, _ATTEMPT_SECONDS))
        try:
            return _ask(client, project, share), attempt
        except Unaudited as exc:
            wait = min(2.0 ** (attempt - 1), _LONGEST_PAUSE_SECONDS)
            if exc.again and attempt <= client.retries and time.monotonic() + wait + _LEAST_SECONDS < deadline:
                pause(wait)
                continue
            tried = f" ({attempt} attempts in {time.monotonic() - began:.0f} s)" if attempt > 1 else ""
            raise Unaudited(f"{exc}{tried}", hint=exc.hint or registry_hint(str(exc), client)) from exc


def _ask(client: Client, project: Project, timeout_seconds: float) -> list[dict[str, Any]]:
    folder = tempfile.mkdtemp(prefix="project-", dir=client.scratch)
    for name, content in project.files.items():
        with open(os.path.join(folder, name), "wb") as file:
            file.write(content)
    result = run_command(
        audit_arguments(client, folder, timeout_seconds),
        timeout_seconds=timeout_seconds,
        max_output_bytes=MAX_REPORT_BYTES,
        environment=audit_environment(client),
        directory=folder,
    )
    shutil.rmtree(folder, ignore_errors=True)
    return read_result(result, project.dependencies, client.omit, timeout_seconds)


def read_result(
    result: CommandResult, dependencies: int, omit: Collection[str], timeout_seconds: float
) -> list[dict[str, Any]]:
    """Return the vulnerabilities that a run of npm reports.

    :raises Unaudited: when it reports none and not that there are none.
    """
    if result.problem:
        raise Unaudited(f"npm cannot be run ({result.problem})", hint=_INSTALL_HINT)
    if result.timed_out:
        raise Unaudited(f"npm had no answer after {timeout_seconds:.0f} s", hint=_TIME_HINT, again=True)
    if result.truncated:
        raise Unaudited(f"npm printed more than {MAX_REPORT_BYTES // 1024**2} MiB")
    try:
        return read_report(result.stdout, dependencies, omit)
    except Unaudited as exc:
        text = str(exc)
        said = plain(result.stderr.partition("A complete log")[0], 200)
        if "printed no" in text and said:
            text += f" but said: {said}"
        raise Unaudited(without_credentials(text), hint=exc.hint, again=exc.again) from exc


def registry_hint(reason: str, client: Client) -> str:
    """Return the next step for a registry that gave no audit."""
    where = client.registry or "the registry that npm is configured with"
    if _NO_AUDITS.search(reason):
        return f"It seems that {where} serves no audits; name one that does (option registry; dependencies_registry of the role)."
    if _NOT_ALLOWED.search(reason):
        return "Give the host an npmrc with a valid token, and name it (option config_file; dependencies_config_file of the role)."
    return f"See whether this host reaches {where}; until it answers, nobody knows about new vulnerabilities."
