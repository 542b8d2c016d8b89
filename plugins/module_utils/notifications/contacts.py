# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who is told, over which channels, in which order. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

#: A person has to call these numbers: they are shown by procedures and rung by nobody here.
UNSENDABLE = ("phone",)

_TARGETS = {"mail": "address", "webhook": "name", "file": "path"}


@dataclass(frozen=True)
class Channel:
    """One way to reach a contact.

    :ivar type: ``mail``, ``webhook`` or ``file``.
    :ivar target: address, name of the webhook, or path.
    """

    type: str
    target: str

    @property
    def label(self) -> str:
        """What people call it; never a URL."""
        return f"{self.type} {plain(self.target, 200)}"


@dataclass(frozen=True)
class Contact:
    """Somebody who is told, with the channels in the order in which they are tried."""

    role: str
    audiences: tuple[str, ...]
    level: int
    order: int
    channels: tuple[Channel, ...]


def sendable_contacts(platform: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the contacts of a normalized description that can be sent something, with nothing that is empty."""
    contacts = []
    for entry in platform["contacts"]:
        channels = [
            {"type": channel["type"], _TARGETS[channel["type"]]: channel[_TARGETS[channel["type"]]]}
            for channel in entry["channels"] if channel["type"] not in UNSENDABLE
        ]
        if channels:
            kept = {key: entry[key] for key in ("role", "audiences", "level", "order")}
            contacts.append({**kept, "channels": channels})
    return contacts


def read_contacts(written: Iterable[Mapping[str, Any]]) -> list[Contact]:
    """Return the contacts as :func:`sendable_contacts` gives them.

    :raises UpkeepError: naming the contact that has another form.
    """
    return [_read(index, entry) for index, entry in enumerate(written)]


def _read(index: int, entry: Mapping[str, Any]) -> Contact:
    where = f"contacts[{index}]"
    try:
        channels = tuple(Channel(channel["type"], str(channel[_TARGETS[channel["type"]]])) for channel in entry["channels"])
        contact = Contact(
            str(entry["role"]), tuple(str(audience) for audience in entry["audiences"]),
            int(entry.get("level", 1)), int(entry.get("order", 1)), channels,
        )
    except (KeyError, TypeError, ValueError) as exc:
        raise UpkeepError(
            f"{where} is no contact ({type(exc).__name__}: {plain(str(exc), 60)}); it needs role, audiences and channels such as "
            "{type: mail, address: ops@example.com}"
        ) from None
    if not channels:
        raise UpkeepError(f"{where}.channels is empty")
    return contact


def chain(contacts: Iterable[Contact], audience: str) -> list[list[Contact]]:
    """Return who of an audience is told: first the first list, the next one only when nobody of it was reached.

    Contacts of the same level and order are told together, such as a mailbox and a chat.
    """
    def place(contact: Contact) -> tuple[int, int]:
        return (contact.level, contact.order)

    ordered = sorted((contact for contact in contacts if audience in contact.audiences), key=place)
    return [list(group) for _place, group in groupby(ordered, key=place)]


def audiences(contacts: Iterable[Contact]) -> list[str]:
    """Return every audience that somebody belongs to, sorted."""
    return sorted({audience for contact in contacts for audience in contact.audiences})


def channels(contacts: Iterable[Contact]) -> list[Channel]:
    """Return every channel once, in the order of the contacts."""
    return list(dict.fromkeys(channel for contact in contacts for channel in contact.channels))
