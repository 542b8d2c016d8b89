#!/usr/bin/python
# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tell people what has changed."""

from __future__ import annotations

DOCUMENTATION = r"""
module: notify
version_added: 0.1.0
short_description: Tell people what a run found that they do not know yet
description:
  - Compares the record of a run with what each audience was told, and sends one message to each that has to hear something new.
  - New and worse problems are told at once, unchanged ones again after O(reminder_hours), and that a problem is gone.
  - A problem is the same from run to run by platform, host, check and subject. What a run did not look at is not gone.
  - Channels are mail (SMTP), webhooks (JSON with C(text), as Slack, Mattermost and Rocket.Chat take it) and files.
  - Contacts of an audience are tried by level and order. A channel that fails is a check C(notify.channel), and the next one is tried.
  - What people were told is kept in O(directory). When that file is lost or damaged they are told everything again.
  - C(docs/notifications.md) explains routes, silences and channels.
author:
  - upkeep.runbook contributors (!UNKNOWN)
extends_documentation_fragment:
  - upkeep.runbook.attributes
attributes:
  check_mode:
    support: full
    details:
      - Nothing is sent and nothing is written; RV(messages) says what would be sent.
  diff_mode:
    support: N/A
    details:
      - The memory of what was told is bookkeeping.
  idempotent:
    support: full
    details:
      - Told once, an unchanged problem is not told again before O(reminder_hours).
options:
  mode:
    description:
      - V(changes) tells what has changed since people were told last.
      - V(test) sends a test message over every channel of every contact.
    type: str
    choices: [changes, test]
    default: changes
  platform:
    description: Name of the platform.
    type: str
    required: true
  record:
    description: The run record, as built by P(upkeep.runbook.run_record#filter). Required with O(mode=changes).
    type: dict
  contacts:
    description: Who is told, as P(upkeep.runbook.notify_contacts#filter) returns it.
    type: list
    elements: dict
    required: true
  routes:
    description:
      - Which audience hears of what, by audience. Keys are C(severity) (V(warning), V(unknown) or V(critical)), C(checks) (patterns for
        ids of checks, all by default) and C(recovery) (whether the audience is told that a problem is gone, true by default).
      - An audience without a route is told nothing.
    type: dict
    default: {}
  directory:
    description: Absolute directory of the reports; the memory is in its folder C(notify).
    type: path
    required: true
  report:
    description: Where the report of the run is, as it stands in the messages.
    type: str
    default: ""
  smtp:
    description: The mail server. Without it the channels of type mail cannot be used, which is reported.
    type: dict
    suboptions:
      host:
        description: Name or address of the server.
        type: str
      port:
        description: Port; by default 587 for C(starttls), 465 for C(tls) and 25 for C(none).
        type: int
      security:
        description:
          - V(starttls) encrypts after a first exchange and refuses a server that does not offer it, V(tls) encrypts from the first byte on.
          - V(none) sends in clear text, and never a password.
        type: str
        choices: [starttls, tls, none]
        default: starttls
      username:
        description: User to log in as; without one nobody logs in.
        type: str
      password:
        description: The password of that user.
        type: str
      sender:
        description: Address that the messages come from; by default C(upkeep@) and the name of the host that sends.
        type: str
      validate_certs:
        description: Whether the certificate of the server must be valid for its name.
        type: bool
        default: true
      ca_file:
        description: PEM file with the certificates to trust instead of those of the system.
        type: path
  webhooks:
    description:
      - A JSON mapping of names to mappings with C(url) and, optionally, C(headers), C(ca_file) and C(validate_certs).
      - The channels of the contacts name them, so that no URL, which is a secret, stands in the description of the platform.
    type: json
  reminder_hours:
    description:
      - After this many hours people are reminded of what has not changed, 0 for never.
      - Half an hour less is enough, so that a daily run reminds each day.
    type: float
    default: 24.0
  timeout_seconds:
    description: How long one channel may take, in seconds.
    type: float
    default: 15.0
  total_seconds:
    description: How long all channels together may take, in seconds. Those that are left then are reported as failed.
    type: float
    default: 60.0
  wait_seconds:
    description: How long to wait for another run that is telling people of this platform, in seconds.
    type: float
    default: 90.0
seealso:
  - module: upkeep.runbook.run_report
  - plugin: upkeep.runbook.run_record
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Tell people what has changed
  upkeep.runbook.notify:
    platform: "{{ upkeep_platform.name }}"
    record: "{{ report_record }}"
    contacts: "{{ upkeep_platform | upkeep.runbook.notify_contacts }}"
    routes:
      operations: {severity: warning}
      security: {checks: ["certificate.*", "dependency.*"]}
    directory: /var/lib/reports
    smtp: {host: mail.example.com, username: upkeep, password: "{{ vault_smtp_password }}", sender: upkeep@example.com}
    webhooks: "{{ {'ops_chat': {'url': vault_chat_url}} | to_json }}"
  delegate_to: monitor.example.com
  run_once: true
"""

RETURN = r"""
status:
  description: Worst status of RV(checks); C(ok) when there is none.
  returned: always
  type: str
  sample: ok
checks:
  description:
    - Check results, C(notify.channel) for each channel that was used, cannot be used, or failed when it was used last, and
      C(notify.state) when the memory of what was told is damaged or cannot be written.
  returned: always
  type: list
  elements: dict
told:
  description: The audiences that were reached.
  returned: always
  type: list
  elements: str
  sample: [operations]
channels:
  description: Every attempt to send, in its order.
  returned: always
  type: list
  elements: dict
  contains:
    channel:
      description: Kind and target of the channel, never a URL.
      type: str
      sample: mail operations@example.com
    contact:
      description: Role of the contact.
      type: str
    audiences:
      description: Who was to be told.
      type: list
      elements: str
    reason:
      description: Why it failed, empty when it did not.
      type: str
messages:
  description: In check mode, what would be sent over which channel.
  returned: always
  type: list
  elements: dict
"""

import os
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import OK, worst_of
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.contacts import read_contacts
from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.mail_server import read_mail_server
from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.routes import read_routes
from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.sending import Means
from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.telling import Notifier, ring_all, tell
from ansible_collections.upkeep.runbook.plugins.module_utils.notifications.webhook import read_webhooks
from ansible_collections.upkeep.runbook.plugins.module_utils.option_ranges import refuse_out_of_range
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now

_RANGES = {
    "reminder_hours": (0, 100_000), "timeout_seconds": (0.1, 100_000), "total_seconds": (0.1, 100_000), "wait_seconds": (0, 100_000),
}
_RECORD_KEYS = {"run_id", "platform", "playbook", "started", "ended", "status", "health", "hosts"}


def argument_spec() -> dict[str, Any]:
    """Return the options, as data."""
    smtp = {
        "host": {"type": "str"},
        "port": {"type": "int"},
        "security": {"type": "str", "choices": ["starttls", "tls", "none"], "default": "starttls"},
        "username": {"type": "str"},
        "password": {"type": "str", "no_log": True},
        "sender": {"type": "str"},
        "validate_certs": {"type": "bool", "default": True},
        "ca_file": {"type": "path"},
    }
    return {
        "mode": {"type": "str", "choices": ["changes", "test"], "default": "changes"},
        "platform": {"type": "str", "required": True},
        "record": {"type": "dict"},
        "contacts": {"type": "list", "elements": "dict", "required": True},
        "routes": {"type": "dict", "default": {}},
        "directory": {"type": "path", "required": True},
        "report": {"type": "str", "default": ""},
        "smtp": {"type": "dict", "options": smtp},
        # As one text: of a mapping Ansible would mask each value by itself, and a header that says 1 every 1 of the result.
        "webhooks": {"type": "json", "no_log": True},
        "reminder_hours": {"type": "float", "default": 24.0},
        "timeout_seconds": {"type": "float", "default": 15.0},
        "total_seconds": {"type": "float", "default": 60.0},
        "wait_seconds": {"type": "float", "default": 90.0},
    }


def notifier_of(params: dict[str, Any], *, now: datetime, check_mode: bool) -> Notifier:
    """Return who is told and with what.

    :raises UpkeepError: when an option is wrong.
    """
    directory = Path(params["directory"])
    if not directory.is_absolute():
        raise UpkeepError(f"directory is {params['directory']!r}; it must be absolute")
    refuse_out_of_range(params, _RANGES)
    means = Means(
        read_mail_server(params["smtp"]), read_webhooks(params["webhooks"]), params["timeout_seconds"], params["total_seconds"]
    )
    return Notifier(
        platform=params["platform"], directory=directory, contacts=read_contacts(params["contacts"]),
        routes=read_routes(params["routes"]), means=means, now=now, reminder_hours=params["reminder_hours"],
        wait_seconds=params["wait_seconds"], report=params["report"], write=not check_mode,
    )


def notify(params: dict[str, Any], *, now: datetime, check_mode: bool) -> dict[str, Any]:
    """Tell people, or ring every channel.

    :raises UpkeepError: when an option is wrong or another run is telling for too long.
    """
    notifier = notifier_of(params, now=now, check_mode=check_mode)
    if params["mode"] == "test":
        told = ring_all(notifier, run_id=f"{now:%Y%m%dT%H%M%SZ}-{os.urandom(4).hex()}")
    elif params["record"] is None:
        raise UpkeepError("record is missing; it is required with mode=changes")
    elif not _RECORD_KEYS <= params["record"].keys():
        missing = ", ".join(sorted(_RECORD_KEYS - params["record"].keys()))
        raise UpkeepError(f"record is no run record: it has no {missing}")
    else:
        told = tell(notifier, params["record"])
    return {
        "status": worst_of(told.checks) if told.checks else OK,
        "checks": told.checks,
        "told": sorted(told.delivery.told),
        "channels": [
            {"channel": attempt.channel.label, "contact": attempt.contact, "audiences": list(attempt.audiences), "reason": attempt.reason}
            for attempt in told.delivery.attempts
        ],
        "messages": told.messages,
    }


def main() -> None:
    """Wire the options to the channels."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    # The record does not travel back with the result.
    invocation = {"module_args": {key: module.params[key] for key in ("mode", "platform", "directory")}}
    try:
        result = notify(module.params, now=utc_now(), check_mode=module.check_mode)
    except UpkeepError as exc:
        module.fail_json(msg=exc.message, invocation=invocation, **exc.details)
    module.exit_json(changed=False, invocation=invocation, **result)


if __name__ == "__main__":
    main()
