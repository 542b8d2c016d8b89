# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The channel webhook: one POST of JSON as Slack, Mattermost and Rocket.Chat take it. Its URL is a secret."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.delivery import ChannelFailed
from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.message import Message
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.addresses import Target, parse_url
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.deadline import Deadline
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.http_exchange import with_credentials
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.http_wire import read_body, read_head, request_bytes
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.outcome import Broken, Unchecked
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.streams import open_stream
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

SCHEMES = ("https", "http")
MAX_BODY_BYTES = 64 * 1024
#: Chats cut longer texts, some in the middle of a word, some refuse them.
MAX_TEXT = 3800
_KEYS = ("url", "headers", "ca_file", "validate_certs")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
#: A name after an @ that is no part of an address calls people; Mattermost takes .@here and _@here for a call, too.
_MENTION = re.compile(r"(?<![^\W_])@(?=\w)")
#: Shorter parts of a URL are ordinary words.
_SHORTEST_SECRET = 6


@dataclass(frozen=True)
class Webhook:
    """Where to post, and with which headers.

    :ivar secrets: texts that must not appear in any message, the longest first.
    """

    name: str
    target: Target
    headers: Mapping[str, str]
    validate_certs: bool
    ca_file: str
    secrets: tuple[str, ...]


def read_webhooks(text: str | None) -> dict[str, Webhook]:
    """Return the webhooks by name.

    :param text: a JSON mapping of names to mappings with ``url`` and, optionally, ``headers``.
    :raises UpkeepError: naming what is wrong; the message holds neither a URL nor a header.
    """
    try:
        written = json.loads(text) if text else {}
    except ValueError:
        raise UpkeepError("webhooks is no JSON") from None
    if not isinstance(written, dict):
        raise UpkeepError("webhooks must be a mapping such as {ops_chat: {url: ...}}")
    return {name: _read(name, entry) for name, entry in written.items()}


def payload(message: Message) -> bytes:
    """Return the JSON that is posted: ``text`` is what every chat understands."""
    lines = [f"*{escape(message.title)}*", escape(message.lead)]
    for section in message.sections:
        lines += ["", f"*{section.heading}*"]
        for first, *others in section.entries:
            lines += [f"• {escape(first)}", *(f"   {escape(line)}" for line in others)]
    lines += ["", *(escape(fact) for fact in message.facts)]
    return json.dumps({"text": _cut(lines), "unfurl_links": False, "unfurl_media": False}).encode()


def escape(text: str) -> str:
    """Return text that a chat shows as it is: no link, no mention, no call to a whole channel."""
    text = plain(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    # A space without width: Slack does not mention for a plain @here, Mattermost and Rocket.Chat do.
    return _MENTION.sub("@\u200b", text).replace("](", "]\u200b(")


def post(webhook: Webhook, body: bytes, deadline: Deadline) -> None:
    """Post, and take nothing but 2xx for an answer. A redirect is not followed: it would carry the message elsewhere.

    :raises ChannelFailed: with the reason, in which no part of the URL and no header stands.
    """
    target = webhook.target
    defaults = {
        "Host": target.host_header,
        "User-Agent": "upkeep.runbook notify",
        "Content-Type": "application/json; charset=utf-8",
        "Accept": "*/*",
        "Accept-Encoding": "identity",
        "Connection": "close",
    }
    tls = {"validate_certs": webhook.validate_certs, "ca_file": webhook.ca_file, "server_name": None} if target.secure else None
    try:
        stream = open_stream(target.host, target.port, deadline, tls)
        try:
            stream.send(request_bytes("POST", target.path, defaults, with_credentials(dict(webhook.headers), target), body))
            head = read_head(stream)
            if not 200 <= head.status <= 299:
                raise Broken(_refusal(head.status))
            read_body(stream, head, "POST", MAX_BODY_BYTES)
        finally:
            stream.close()
    except (Broken, Unchecked) as exc:
        raise ChannelFailed(f"its server {without(str(exc), webhook.secrets)}") from None


def without(text: str, secrets: tuple[str, ...]) -> str:
    """Return a text in which no secret stands."""
    for secret in secrets:
        text = text.replace(secret, "***")
    return text


def _refusal(status: int) -> str:
    if 300 <= status <= 399:
        return f"answered {status}, a redirect, which is not followed; give the final URL"
    return f"answered {status}; 200 to 299 was expected"


def _read(name: str, entry: Any) -> Webhook:
    where = f"webhooks.{plain(str(name), 60)}"
    if not isinstance(entry, dict):
        raise UpkeepError(f"{where} must be a mapping with url, not {type(entry).__name__}")
    unknown = [key for key in entry if key not in _KEYS]
    if unknown:
        raise UpkeepError(f"{where}.{plain(str(unknown[0]), 40)} is no key of a webhook; accepted: {', '.join(_KEYS)}")
    try:
        target = parse_url(str(entry.get("url") or ""), SCHEMES)
    except ValueError as exc:
        raise UpkeepError(f"{where}.url cannot be used: {exc}") from None
    headers = entry.get("headers") or {}
    if not isinstance(headers, dict):
        raise UpkeepError(f"{where}.headers must be a mapping of names to texts")
    for header, value in headers.items():
        if not _HEADER_NAME.fullmatch(str(header)) or not str(value).isprintable():
            raise UpkeepError(f"{where}.headers has a name or value that cannot stand in a header")
    headers = {str(header): str(value) for header, value in headers.items()}
    validate = entry.get("validate_certs")
    return Webhook(
        str(name), target, headers, validate is None or bool(validate), str(entry.get("ca_file") or ""),
        _secrets(str(entry["url"]), target, headers),
    )


def _secrets(url: str, target: Target, headers: Mapping[str, str]) -> tuple[str, ...]:
    parts = {url, target.shown, target.path, target.host, target.user, target.password, *headers.values()}
    parts |= {unquote(part) for part in re.split(r"[/?&=]", target.path)} | set(re.split(r"[/?&=]", target.path))
    return tuple(sorted((part for part in parts if len(part) >= _SHORTEST_SECRET), key=len, reverse=True))


def _cut(lines: list[str]) -> str:
    """Return the lines as one text, cut between two of them where it would be too long."""
    text = ""
    for number, line in enumerate(lines):
        if len(text) + len(line) > MAX_TEXT:
            return f"{text}… ({len(lines) - number} more lines; the report has everything)"
        text += f"{line}\n"
    return text.rstrip("\n")
