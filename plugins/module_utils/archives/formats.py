# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which format a file has, from its first bytes, and which one its name promises."""

from __future__ import annotations

TAR, ZIP = "tar", "zip"
#: What compresses one stream; the stream may be a tar archive.
GZIP, XZ, BZIP2, ZSTD = "gz", "xz", "bz2", "zst"

_SIGNATURES = (
    (b"\x1f\x8b", GZIP),
    (b"\xfd7zXZ\x00", XZ),
    (b"BZh", BZIP2),
    (b"\x28\xb5\x2f\xfd", ZSTD),
    (b"PK\x03\x04", ZIP),
    (b"PK\x05\x06", ZIP),
    # The first part of a zip archive in several parts; zip also leaves it on archives that became one part.
    (b"PK\x07\x08PK\x03\x04", ZIP),
    (b"PK00PK\x03\x04", ZIP),
)

#: Formats that are known by their first bytes and not read here.
_FOREIGN = (
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\x04\x22\x4d\x18", "an LZ4 stream"),
    (b"LZIP", "an lzip stream"),
    (b"\x1f\x9d", "a stream of compress (.Z)"),
    (b"\x89LZO", "an lzop stream"),
    (b"PGDMP", "a dump of pg_dump in its own format"),
    (b"SQLite format 3\x00", "a SQLite database"),
    (b"age-encryption.org/", "encrypted with age"),
    (b"-----BEGIN PGP MESSAGE-----", "encrypted with OpenPGP"),
    (b"-----BEGIN AGE ENCRYPTED FILE-----", "encrypted with age"),
    (b"Salted__", "encrypted with openssl enc"),
    (b"070701", "a cpio archive"),
    (b"070707", "a cpio archive"),
)

_SUFFIXES = {
    ".tar": TAR,
    ".tar.gz": "tar.gz",
    ".tgz": "tar.gz",
    ".tar.xz": "tar.xz",
    ".txz": "tar.xz",
    ".tar.bz2": "tar.bz2",
    ".tbz2": "tar.bz2",
    ".tbz": "tar.bz2",
    ".tar.zst": "tar.zst",
    ".tzst": "tar.zst",
    ".zip": ZIP,
    ".gz": GZIP,
    ".xz": XZ,
    ".bz2": BZIP2,
    ".zst": ZSTD,
}
#: Endings of the names of archives and compressed files, in lower case.
SUFFIXES = tuple(sorted(_SUFFIXES, key=len, reverse=True))
#: What follows the last dot of such a name.
_LAST_PARTS = frozenset(suffix.rpartition(".")[2].encode() for suffix in SUFFIXES)

#: So many bytes tell the format.
HEAD_BYTES = 512


def promised_format(name: str) -> str:
    """Return the format that the ending of a file name promises, or an empty text."""
    lowered = name.lower()
    return next((_SUFFIXES[suffix] for suffix in SUFFIXES if lowered.endswith(suffix)), "")


def has_archive_name(name: bytes) -> bool:
    """Tell whether the name of a member ends like that of an archive or of a compressed file."""
    return name[name.rfind(b".") + 1 :].lower() in _LAST_PARTS and b"." in name


def outer_format(head: bytes) -> str:
    """Return TAR, ZIP or the compression that the first bytes of a file show, or an empty text."""
    for signature, name in _SIGNATURES:
        if head.startswith(signature):
            return name
    return TAR if looks_like_tar(head) else ""


def foreign_format(head: bytes) -> str:
    """Return words for a format that is known and cannot be read here, or an empty text."""
    return next((words for signature, words in _FOREIGN if head.startswith(signature)), "")


def looks_like_tar(head: bytes) -> bool:
    """Tell whether the bytes begin like a tar archive: a header with its magic, or at least with its checksum."""
    if len(head) < HEAD_BYTES:
        return False
    if head[257:262] == b"ustar":
        return True
    if not any(head[:HEAD_BYTES]):
        return True  # the end marker alone: an archive without members
    try:
        stored = int(head[148:156].strip(b" \0"), 8)
    except ValueError:
        return False
    return stored == sum(head[:148]) + 8 * 32 + sum(head[156:HEAD_BYTES])


def agrees(promised: str, found: str) -> bool:
    """Tell whether what was found is what the name promised; a tar archive may be called after its compression."""
    return not promised or promised == found or found == f"tar.{promised}"
