# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Hand one message to one channel, whatever its kind, within its time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.contacts import Channel
from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.delivery import ChannelFailed
from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.file_channel import append_line, file_line
from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.mail_server import MailServer, message_id_of
from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.message import Message
from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.webhook import Webhook, payload, post
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.deadline import Deadline


@dataclass(frozen=True)
class Means:
    """What messages are sent with.

    :ivar timeout_seconds: for one channel; ``total_seconds`` is for all of them.
    """

    mail_server: MailServer | None
    webhooks: Mapping[str, Webhook]
    timeout_seconds: float
    total_seconds: float

    def lacking(self, channel: Channel) -> str:
        """Return why a channel cannot be used whatever is to be sent, '' when it can."""
        if channel.type == "mail" and self.mail_server is None:
            return "no mail server is set; give notify_smtp at least a host"
        if channel.type == "webhook" and channel.target not in self.webhooks:
            return f"nobody knows its URL; give notify_webhooks an entry {channel.target}"
        return ""

    def send(
        self, channel: Channel, message: Message, *, audiences: tuple[str, ...], thread: str, now: datetime, total: Deadline
    ) -> None:
        """Send a message.

        :param total: the time that all channels have together.
        :raises ChannelFailed: when the channel does not take it.
        """
        lacking = self.lacking(channel)
        if lacking:
            raise ChannelFailed(lacking)
        if total.elapsed() >= total.limit_seconds:
            raise ChannelFailed(f"it was not tried: the {total.limit_seconds:g} s for all channels were over")
        deadline = total.sooner(self.timeout_seconds)
        if channel.type == "mail" and self.mail_server is not None:
            from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.mail import mime_message, send_mail

            server = self.mail_server
            mail = mime_message(
                message, sender=server.sender, recipient=channel.target, now=now, thread=thread,
                message_id=message_id_of(message.run_id, server.sender, channel.label, audiences),
            )
            send_mail(server, mail, channel.target, deadline)
        elif channel.type == "webhook":
            post(self.webhooks[channel.target], payload(message), deadline)
        else:
            append_line(Path(channel.target), file_line(message, audiences=audiences, now=now))
