"""Somebody who tries ways again and again, from containers of the network, and notes whether they are open.

So what is measured does not depend on how quick this machine is: a host that is closed for twenty seconds is seen closed, however
late a test comes to ask.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby

from containers import Container, podman
from shop import Way, address

#: Tries each way three times a second and writes `number 1` or `number 0`. Over a way that stays, one connection is kept.
WATCHER = """
import json, socket, sys, threading, time

def note(number, is_open):
    sys.stdout.write(f"{number} {int(is_open)}\\n")
    sys.stdout.flush()

def knock(number, host, port):
    while True:
        try:
            socket.create_connection((host, port), 3).close()
            note(number, True)
        except OSError:
            note(number, False)
        time.sleep(0.3)

def follow_ticks(number, host, port):
    with socket.create_connection((host, port)) as connection:
        connection.sendall(b"GET /ticks HTTP/1.0\\r\\n\\r\\n")
        connection.settimeout(3)
        while True:
            try:
                note(number, bool(connection.recv(4096)))
            except socket.timeout:
                note(number, False)

for number, host, port, stays in json.loads(sys.argv[1]):
    threading.Thread(target=follow_ticks if stays else knock, args=(number, host, port)).start()
"""
NOTES, PID = "/tmp/watcher.notes", "/tmp/watcher.pid"


class Watch:
    """What the watchers have seen so far.

    :ivar ways: each way at its number in the notes.
    """

    def __init__(self, ways: Sequence[Way]) -> None:
        self.ways = ways

    @property
    def watchers(self) -> dict[Container, list[int]]:
        """The containers and the numbers of their ways."""
        return {who: [at for at, way in enumerate(self.ways) if way[0] == who] for who, _whom, _port in self.ways}

    def wait_until_open(self, *ways: Way) -> None:
        """Wait until all of these ways were open when they were tried last; without any, all ways."""
        for who, own in self.watchers.items():
            for at in own:
                if not ways or self.ways[at] in ways:
                    who.wait_for(f"grep '^{at} ' {NOTES} | tail -n 1 | grep -q ' 1'")

    def turns(self) -> list[list[bool]]:
        """Return for each way whether it was open, once for each time that this changed."""
        lines = [line.split() for who in self.watchers for line in who.sh(f"cat {NOTES}").splitlines()]
        seen = [[state == "1" for number, state in lines if number == str(at)] for at in range(len(self.ways))]
        return [[is_open for is_open, _same in groupby(states)] for states in seen]


@contextmanager
def watching(*ways: Way, stays: Sequence[Way] = ()) -> Iterator[Watch]:
    """Let ways be watched for a while; all of them are open at first.

    :param stays: ways to a shop over which one connection is kept from the beginning.
    """
    watch = Watch([*ways, *stays])
    for who, own in watch.watchers.items():
        places = [(at, address(watch.ways[at][1]), watch.ways[at][2], at >= len(ways)) for at in own]
        start = f'echo $$ > {PID}; exec python3 -c "$0" "$1" > {NOTES}'
        podman("exec", "--detach", who.name, "sh", "-c", start, WATCHER, json.dumps(places))
    try:
        watch.wait_until_open()
        yield watch
    finally:
        for who in watch.watchers:
            who.sh(f"kill $(cat {PID}); rm -f {PID} {NOTES}")
