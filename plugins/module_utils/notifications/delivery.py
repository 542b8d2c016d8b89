# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bring tidings to audiences: who is tried in which order, and what came of it. The sending itself is given."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.contacts import Channel, Contact, chain

_THREADS = 8


class ChannelFailed(Exception):
    """A channel did not take the message. The text completes "<channel>: <text>."; never a secret."""


@dataclass(frozen=True)
class Attempt:
    """What came of one message over one channel.

    :ivar reason: why it failed, '' when it did not.
    """

    channel: Channel
    contact: str
    audiences: tuple[str, ...]
    reason: str = ""


@dataclass
class Delivery:
    """Who was reached, and every attempt in the order in which it was made."""

    told: set[str] = field(default_factory=set)
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def failures(self) -> dict[str, str]:
        """Return why channels failed, by label."""
        return {attempt.channel.label: attempt.reason for attempt in self.attempts if attempt.reason}

    @property
    def worked(self) -> set[str]:
        """Return the labels of the channels that took a message."""
        return {attempt.channel.label for attempt in self.attempts if not attempt.reason}


#: Sends one message about these audiences' tidings; the mapping tells which channels have failed so far, and why.
Send = Callable[[Channel, "tuple[str, ...]", Mapping[str, str]], None]


def deliver(audiences: Iterable[str], contacts: Iterable[Contact], send: Send) -> Delivery:
    """Tell every audience; when nobody of those in front was reached, the next ones are tried.

    A contact who belongs to several audiences gets one message about all of them. A channel that failed is not tried again.

    :param send: raises :class:`ChannelFailed` when the channel does not take the message.
    """
    listed = list(contacts)
    waiting = {audience: chain(listed, audience) for audience in audiences}
    delivery = Delivery()
    while True:
        waiting = {audience: groups for audience, groups in waiting.items() if groups and audience not in delivery.told}
        if not waiting:
            return delivery
        wanted: dict[Contact, list[str]] = {}
        for audience in sorted(waiting):
            for contact in waiting[audience].pop(0):
                wanted.setdefault(contact, []).append(audience)
        _round(wanted, delivery, send)


def _round(wanted: Mapping[Contact, list[str]], delivery: Delivery, send: Send) -> None:
    """Try these contacts, those that share a first channel one after the other, the others at the same time."""
    together: dict[Channel, list[Contact]] = {}
    for contact in wanted:
        together.setdefault(contact.channels[0], []).append(contact)
    failures = dict(delivery.failures)

    def try_all(group: list[Contact]) -> list[Attempt]:
        attempts: list[Attempt] = []
        for contact in group:
            attempts += _reach(contact, tuple(wanted[contact]), failures, attempts, send)
        return attempts

    with ThreadPoolExecutor(_THREADS) as pool:
        for attempts in pool.map(try_all, together.values()):
            delivery.attempts += attempts
            for attempt in attempts:
                if not attempt.reason:
                    delivery.told |= set(attempt.audiences)


def _reach(
    contact: Contact, audiences: tuple[str, ...], failures: Mapping[str, str], before: list[Attempt], send: Send
) -> list[Attempt]:
    """Try the channels of a contact until one takes the message."""
    attempts: list[Attempt] = []
    failed = {**failures, **{attempt.channel.label: attempt.reason for attempt in before if attempt.reason}}
    for channel in contact.channels:
        if any(attempt.channel == channel and attempt.audiences == audiences and not attempt.reason for attempt in before):
            break  # another contact of this audience has the same address
        if channel.label in failed:
            continue
        try:
            send(channel, audiences, failed)
        except ChannelFailed as exc:
            failed[channel.label] = str(exc)
            attempts.append(Attempt(channel, contact.role, audiences, str(exc)))
            continue
        attempts.append(Attempt(channel, contact.role, audiences))
        break
    return attempts


def ring(channels: Iterable[Channel], contacts: Iterable[Contact], send: Send) -> Delivery:
    """Try every channel once, all at the same time."""
    listed = list(contacts)

    def try_one(channel: Channel) -> Attempt:
        owners = [contact for contact in listed if channel in contact.channels]
        role = ", ".join(dict.fromkeys(contact.role for contact in owners))
        audiences = tuple(sorted({audience for contact in owners for audience in contact.audiences}))
        try:
            send(channel, audiences, {})
        except ChannelFailed as exc:
            return Attempt(channel, role, audiences, str(exc))
        return Attempt(channel, role, audiences)

    with ThreadPoolExecutor(_THREADS) as pool:
        return Delivery(attempts=list(pool.map(try_one, channels)))
