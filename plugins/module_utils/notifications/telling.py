# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tell people what has changed, or ring every channel: one call, one memory, one lock for each platform."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.atomic_files import make_private_directory
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import WARNING
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.locking import LockHeld, LockOwner, exclusive_lock
from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.changes import Decision, decide, remembered
from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.channel_checks import (
    channel_checks,
    rung_checks,
    state_check,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.contacts import (
    Channel,
    Contact,
    audiences,
    channels,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.delivery import Delivery, deliver, ring
from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.mail_server import thread_of
from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.message import (
    Message,
    compose,
    plain_text,
    test_message,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.routes import Route
from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.sending import Means
from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.state_file import (
    Failure,
    State,
    load_state,
    save_state,
    set_aside,
    state_path,
    with_failures,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.deadline import Deadline
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso

DIRECTORY_MODE = 0o750


@dataclass(frozen=True)
class Notifier:
    """Everything that does not change while people are told.

    :ivar directory: the report directory.
    :ivar write: False in check mode: nothing is sent and nothing is written.
    """

    platform: str
    directory: Path
    contacts: list[Contact]
    routes: Mapping[str, Route]
    means: Means
    now: datetime
    reminder_hours: float
    wait_seconds: float
    report: str
    write: bool

    @property
    def path(self) -> Path:
        """Where the memory of this platform is."""
        return state_path(self.directory, self.platform)


@dataclass
class Told:
    """What came of it.

    :ivar messages: in check mode, what would be sent.
    """

    delivery: Delivery
    checks: list[dict[str, Any]]
    messages: list[dict[str, Any]] = field(default_factory=list)


def tell(notifier: Notifier, record: Mapping[str, Any]) -> Told:
    """Tell every audience what has changed since it was told last.

    Killed between sending and remembering, the next run tells it again: twice is better than never.

    :raises LockHeld: when another run still tells.
    """
    owner = LockOwner(record["run_id"], record["playbook"], record["started"])
    with _memory(notifier, owner) as (state, checks):
        reachable = {name: route for name, route in notifier.routes.items() if name in audiences(notifier.contacts)}
        decision = decide(state.known, record, reachable, now=notifier.now, reminder_hours=notifier.reminder_hours)
        threads = _threads(notifier, state, decision, record["run_id"])
        messages: list[dict[str, Any]] = []
        total = Deadline(notifier.means.total_seconds)

        def send(channel: Channel, listed: tuple[str, ...], failures: Mapping[str, str]) -> None:
            tidings = [decision.tidings[audience] for audience in listed]
            message = compose(record, tidings, report=notifier.report, failures=failures)
            _send(notifier, channel, message, listed, threads.get(listed[0], ""), total, messages)

        delivery = deliver(decision.tidings, notifier.contacts, send)
        checks += _channels(notifier, delivery, state)
        if notifier.write:
            told = sorted(delivery.told)
            kept = {name: thread for name, thread in threads.items() if _stays_open(name, decision, delivery)}
            state_after = replace(state, known=remembered(decision, told, now=notifier.now), threads=kept)
            checks += _remember(notifier, state, _with_outcomes(notifier, state_after, delivery))
    return Told(delivery, checks, messages)


def ring_all(notifier: Notifier, *, run_id: str) -> Told:
    """Send a test message over every channel of every contact; what people know of problems stays as it is."""
    owner = LockOwner(run_id, "notify_test", to_iso(notifier.now))
    with _memory(notifier, owner) as (state, checks):
        messages: list[dict[str, Any]] = []
        total = Deadline(notifier.means.total_seconds)

        def send(channel: Channel, listed: tuple[str, ...], _failures: Mapping[str, str]) -> None:
            owners = ", ".join(contact.role for contact in notifier.contacts if channel in contact.channels)
            message = test_message(
                notifier.platform, run_id=run_id, at=to_iso(notifier.now), contact=owners, channel=channel.label
            )
            _send(notifier, channel, message, listed, "", total, messages)

        delivery = ring(channels(notifier.contacts), notifier.contacts, send)
        if notifier.write:
            checks += rung_checks(delivery, notifier.routes)
            checks += _remember(notifier, state, _with_outcomes(notifier, state, delivery))
    return Told(delivery, checks, messages)


def _send(
    notifier: Notifier, channel: Channel, message: Message, listed: tuple[str, ...], thread: str, total: Deadline,
    messages: list[dict[str, Any]],
) -> None:
    if notifier.write:
        notifier.means.send(channel, message, audiences=listed, thread=thread, now=notifier.now, total=total)
    else:
        messages.append(
            {"channel": channel.label, "audiences": list(listed), "title": message.title, "text": plain_text(message).splitlines()}
        )


@contextmanager
def _memory(notifier: Notifier, owner: LockOwner) -> Iterator[tuple[State, list[dict[str, Any]]]]:
    """Hold the lock, and give the memory with checks about it. Without a memory people are told everything."""
    if not notifier.write:
        yield _load(notifier)
        return
    with ExitStack() as held:
        problem = ""
        try:
            make_private_directory(notifier.directory, DIRECTORY_MODE)
            make_private_directory(notifier.path.parent, DIRECTORY_MODE)
            held.enter_context(exclusive_lock(notifier.path.with_suffix(".lock"), owner, wait_seconds=notifier.wait_seconds))
        except LockHeld:
            raise
        except UpkeepError as exc:
            problem = exc.message
        if problem:
            summary = f"Nobody knows what people were told: {problem}. They are told everything, by each run."
            yield State(), [state_check(str(notifier.path), WARNING, summary)]
        else:
            yield _load(notifier)


def _load(notifier: Notifier) -> tuple[State, list[dict[str, Any]]]:
    state, problem = load_state(notifier.path)
    if not problem:
        return state, []
    where = "stays where it is"
    if notifier.write:
        try:
            where = f"is now {set_aside(notifier.path, stamp=f'{notifier.now:%Y%m%dT%H%M%SZ}')}"
        except UpkeepError as exc:
            where = f"stays where it is ({exc.message})"
    summary = f"What people were told could not be read: {problem}. The file {where}; everything is told again."
    return state, [state_check(str(notifier.path), WARNING, summary)]


def _remember(notifier: Notifier, before: State, after: State) -> list[dict[str, Any]]:
    """Write the memory when it has changed; return a check when it cannot be written."""
    if after == before:
        return []
    try:
        save_state(notifier.path, after)
    except (UpkeepError, OSError) as exc:
        reason = exc.message if isinstance(exc, UpkeepError) else exc.strerror
        summary = f"What people were told could not be written down: {reason}. The next run tells them again."
        return [state_check(str(notifier.path), WARNING, summary)]
    return []


def _channels(notifier: Notifier, delivery: Delivery, state: State) -> list[dict[str, Any]]:
    listed = channels(notifier.contacts)
    lacking = {channel.label: notifier.means.lacking(channel) for channel in listed}
    # In check mode nothing was tried, so nothing is known beyond what was known before.
    tried = delivery if notifier.write else Delivery()
    return channel_checks(
        tried, listed, lacking={label: reason for label, reason in lacking.items() if reason}, failures=state.failures
    )


def _with_outcomes(notifier: Notifier, state: State, delivery: Delivery) -> State:
    at = to_iso(notifier.now)
    failures = {label: Failure(at, reason) for label, reason in delivery.failures.items()}
    return with_failures(state, failures, delivery.worked, {channel.label for channel in channels(notifier.contacts)})


def _threads(notifier: Notifier, state: State, decision: Decision, run_id: str) -> dict[str, str]:
    """Return what the mails to each audience refer to: new for those who begin to hear of trouble."""
    server = notifier.means.mail_server
    threads = dict(state.threads)
    for audience in decision.tidings:
        if server is not None:
            threads.setdefault(audience, thread_of(run_id, audience, server.sender))
    return threads


def _stays_open(audience: str, decision: Decision, delivery: Delivery) -> bool:
    """Tell whether the thread of an audience goes on: until it has been told that everything is over."""
    tidings = decision.tidings.get(audience)
    if tidings is None:
        return any(audience in entry.told for entry in decision.known.values())
    return tidings.open > 0 or audience not in delivery.told
