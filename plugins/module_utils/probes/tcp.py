# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The TCP probe: a connection is accepted, and optionally says what is expected of it."""

from __future__ import annotations

from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import OK
from ansible_collections.upkeep.runbook.plugins.module_utils.host_port import place
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.deadline import Deadline
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.outcome import Broken, Outcome, seconds
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.patterns import found
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.streams import Stream, open_stream, tls_options
from ansible_collections.upkeep.runbook.plugins.module_utils.text import decode

MAX_ANSWER_BYTES = 64 * 1024


def target_of(options: dict[str, Any]) -> str:
    """Return what the probe looks at, for people."""
    return f"{'TLS' if options['tls'] else 'TCP'} {place(options['host'], options['port'])}"


def probe_tcp(options: dict[str, Any], deadline: Deadline) -> Outcome:
    """Connect once, and talk when the options say what to say or to hear."""
    stream = open_stream(options["host"], options["port"], deadline, tls_options(options, options["tls"]))
    try:
        if options["send"] is not None:
            stream.send(options["send"].encode("utf-8"))
        if options["expect"] is not None:
            _expect(stream, options["expect"], deadline)
    finally:
        stream.close()
    latency = deadline.elapsed()
    did = "accepted a connection" if options["expect"] is None else "gave the expected answer"
    return Outcome(OK, f"{target_of(options)} {did} after {seconds(latency)}.", latency)


def _expect(stream: Stream, pattern: str, deadline: Deadline) -> None:
    received = b""
    while len(received) < MAX_ANSWER_BYTES:
        try:
            data = stream.read()
        except Broken as exc:
            raise Broken(f"{exc}: {pattern!r} was expected and {len(received)} other bytes came") from exc
        received = (received + data)[:MAX_ANSWER_BYTES]
        if found(pattern, decode(received), deadline):
            return
        if not data:
            break
    raise Broken(f"did not send {pattern!r} in {len(received)} bytes")
