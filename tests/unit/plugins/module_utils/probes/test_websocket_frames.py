"""Frames of a client as bytes."""

from __future__ import annotations

import struct

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.websocket_frames import TEXT, client_frame


def test_the_example_of_the_standard():
    frame = client_frame(TEXT, b"Hello", lambda _count: bytes.fromhex("37fa213d"))
    assert frame == bytes.fromhex("818537fa213d7f9f4d5158")


@pytest.mark.parametrize(
    ("length", "head"),
    [
        (0, b"\x81\x80"),
        (125, b"\x81\xfd"),
        (126, b"\x81\xfe" + struct.pack("!H", 126)),
        (65535, b"\x81\xfe" + struct.pack("!H", 65535)),
        (65536, b"\x81\xff" + struct.pack("!Q", 65536)),
    ],
)
def test_every_length_has_its_form_and_is_masked(length, head):
    payload = bytes(range(256)) * (length // 256 + 1)
    payload = payload[:length]
    mask = b"\x01\x80\xff\x00"
    frame = client_frame(TEXT, payload, lambda _count: mask)
    assert frame.startswith(head + mask)
    masked = frame[len(head) + 4 :]
    assert bytes(byte ^ mask[index % 4] for index, byte in enumerate(masked)) == payload
