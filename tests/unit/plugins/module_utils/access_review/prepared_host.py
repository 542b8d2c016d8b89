"""Public keys that ssh-keygen made, with the fingerprints that it showed; and a host in a folder."""

from __future__ import annotations

import struct
from pathlib import Path

DSA = (
    "ssh-dss AAAAB3NzaC1kc3MAAACBAKBrqPwPIg8cnlJbVX9qhfblSPpr0BBTUmusEc5nV66MiLqZdx3GQ+4YLD8MuMZilHq68rrroykgwNf0xm"
    "2L7/kJsPMiSbfXU3TQs2XZGKjn609MHv6NCiLuhTUYZ0mKn7wvYXjIXqlFR/PcWo2QnS2tyVey0XsFl5tJitOcSvYxAAAAFQCQDC+giZTQgWqp"
    "madxd7B3yF67hwAAAIEAjzMTCi/lzI2+mgKAaPrPzywdYkOzDIJbnH9uTfzpmgKuIqLlmIub7k2ecpCXmpyt5Q0y/yQJkZK2rHz7EA++iZPmin"
    "pzQ/uxPB1TcazL6IjlR0vaf3Kw+KVm5khUye9LZHIa9OYRI4J/fkZwd36jctzU9A6dZ+pZNrs928SbNFQAAACAV9wFubvNk1iNCcHvYx+ACUcd"
    "gZch4YXgLL2Jvcdt5Ipk+12n+RPBhZMMs0gc93NgRh+dEaE0JAi8Lw3Yv7ntFE+kEzQo5zEusKxdSPx/EtHP82VDIth8ZHvtSsxR6elg4n5qUD"
    "eTKBa+uwIE8vJrB/f2vahZLcu94dBts+GIVBU="
)
EC = (
    "ecdsa-sha2-nistp521 AAAAE2VjZHNhLXNoYTItbmlzdHA1MjEAAAAIbmlzdHA1MjEAAACFBADnz0VEn4AkzmxU1Y8hhO6rB1z4vIXDUZpK9T"
    "cP6ip4/FmY6JJIbfin8APuveIRoKSg2MHGOlLGor/ArQ7q1Qzz8QDNaudUaWBsO/vXj0OrxeHGgKfKhYkTKxkc3tsLmwuAyaQVqKMzUpop6CvG"
    "83aAjEjw03Dboq1m+fjLfF5BB4lQMA=="
)
ED = (
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIG6Cg4MHfJClpf0OEHaYdwR1lf3QsrQOVOKHgdvaLt/p"
)
RSA = (
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQDNTJuX9qxqTGcLGnEn0RkOK8A7IZBdEiAaKDCSurmWY5Gus1UBc6/ULugMnyK5sorCJ7if/c"
    "B7CJvJEnY2ZrUBB5KkCYBxGfv5/vBlqFRyK2A6EQr7gSXVPm1WMWJbRgqxPpu4PcDrmhaPvi1h2ZXNpenGg5WFSFOWPKVihxAK1w=="
)

FINGERPRINTS = {
    DSA: "SHA256:MFPqOSXYNAnKYhao73Fabr/WPpkTT9eFOMvL4cJzyLo",
    EC: "SHA256:BE589+xShYu0YH/DfkY4O7xzcPAHQXYjipy8u/l8DoA",
    ED: "SHA256:M3L7BOsix6CvulT49y3HREu1DyjuDNn7YXNAxiOXCZs",
    RSA: "SHA256:GNVdsZEBZzESbAXJtpknMhYePhs6TxSssdrm8eacXNo",
}

PASSWD = """root:x:0:0:root:/root:/bin/bash
daemon:x:1:1::/usr/sbin:/usr/sbin/nologin
ada:x:1000:1000:Ada,,,:/home/ada:/bin/bash
bob:x:1001:1001::/home/bob:/bin/sh
nobody:x:65534:65534::/nonexistent:/usr/sbin/nologin
"""
#: No hash of a real password.
SECRET = "$y$j9T$abcdefghijk$NotTheHashOfAnyPasswordAtAll0123456789"
SHADOW = f"""root:*:20000:0:99999:7:::
daemon:*:20000:0:99999:7:::
ada:{SECRET}:20400:0:99999:7:::
bob:!{SECRET}:20400:0:99999:7:::
nobody:*:20000:0:99999:7:::
"""
GROUP = """root:x:0:
sudo:x:27:ada
ada:x:1000:
bob:x:1001:
admin:x:110:bob,gone
"""
_UTMP = struct.Struct("<h42x32s256x8xi40x")


def login(user: str, moment: int, kind: int = 7) -> bytes:
    """Return a record of wtmp."""
    return _UTMP.pack(kind, user.encode(), moment)


class Place:
    """A folder that stands for a host."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.write("/etc/passwd", PASSWD)
        self.write("/etc/shadow", SHADOW, 0o640)
        self.write("/etc/group", GROUP)

    def write(self, path: str, content: str | bytes, mode: int = 0o644) -> Path:
        place = self.root / path.lstrip("/")
        for folder in reversed(place.relative_to(self.root).parents):
            (self.root / folder).mkdir(mode=0o755, exist_ok=True)
        place.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogateescape"))
        place.chmod(mode)
        return place

    def replace(self, path: str, before: str, after: str) -> None:
        place = self.root / path.lstrip("/")
        text = place.read_text()
        assert before in text
        place.write_text(text.replace(before, after))
