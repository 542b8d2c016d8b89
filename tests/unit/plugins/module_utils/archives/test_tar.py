"""Tar archives of every dialect, whole and damaged; Python's tarfile makes them and says what is in them."""

from __future__ import annotations

import io
import tarfile
from typing import Any

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.archives import tar_headers
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.problems import ArchiveProblem, Damaged, Unread
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.tar_stream import TarReader

LONG = "folder/" * 40 + "file"
NAMES = {
    "plain": b"1",
    LONG: b"2" * 513,
    "a" * 99 + "/b": b"",
    "caf\u00e9 \u20ac.txt": b"3" * 512,
    "name\udcff.bin": b"4",
}


def members(data: bytes, chunk: int = 1000) -> list[tuple[str, bytes]]:
    reader = TarReader(data[at : at + chunk] for at in range(0, len(data), chunk))
    return [(member.name.decode("utf-8", "surrogateescape"), b"".join(reader.contents())) for member in reader]


def checksummed(block: bytes) -> bytes:
    total = sum(block[:148]) + 8 * 32 + sum(block[156:512])
    return block[:148] + b"%06o\0 " % total + block[156:]


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("chunk", [1, 511, 512, 4096, 10**6])
def test_names_and_contents_are_those_that_tarfile_wrote(tar: Any, form: int, chunk: int) -> None:
    files = {name: data for name, data in NAMES.items() if form != tarfile.USTAR_FORMAT or len(name) < 105}
    data = tar(files, form)
    assert members(data, chunk if len(data) < 20_000 or chunk > 1 else 100) == list(files.items())


def test_links_folders_and_devices_have_no_contents() -> None:
    buffer = io.BytesIO()
    kinds = [tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE]
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for kind in kinds:
            member = tarfile.TarInfo(f"of-{kind.decode()}")
            member.type, member.linkname = kind, "elsewhere"
            archive.addfile(member)
    assert [contents for _name, contents in members(buffer.getvalue())] == [b""] * len(kinds)


def test_the_size_of_an_extended_header_wins(tar: Any) -> None:
    data = tar({"file": b"x" * 700})
    records = b"12 size=700\n"
    header = tarfile.TarInfo("PaxHeader")
    header.type, header.size = tarfile.XHDTYPE, len(records)
    block = data[:512]
    zero_size = checksummed(block[:124] + b"00000000000\0" + block[136:])
    whole = header.tobuf(tarfile.USTAR_FORMAT) + records.ljust(512, b"\0") + zero_size + data[512:]
    assert members(whole) == [("file", b"x" * 700)]


def test_a_large_size_in_base_256_is_understood(tar: Any) -> None:
    data = tar({"file": b"x" * 700})
    block = data[:512]
    data = checksummed(block[:124] + b"\x80" + (700).to_bytes(11, "big") + block[136:]) + data[512:]
    assert members(data) == [("file", b"x" * 700)]
    assert tar_headers.number(b"\x80" + (10**12).to_bytes(11, "big")) == 10**12


def test_an_archive_without_any_magic_is_read_when_its_checksum_fits(tar: Any) -> None:
    data = tar({"file": b"x"}, tarfile.USTAR_FORMAT)
    old = checksummed(data[:257] + bytes(255))
    assert members(old + data[512:]) == [("file", b"x")]


@pytest.mark.parametrize(
    "records",
    [
        b"12 size=9e9\n", b"13 size=-700\n", b"31 size=99999999999999999999\n\n\n", b"12 size=1_0\n", b"0 size=1\n",
        b"99 size=7\n", b"x size=7\n", b"9 size=7X", b"8 size7\n", b"7 =abc\n",
    ],
)
def test_an_extended_header_that_lies_is_damage(tar: Any, records: bytes) -> None:
    header = tarfile.TarInfo("PaxHeader")
    header.type, header.size = tarfile.XHDTYPE, len(records)
    data = header.tobuf(tarfile.USTAR_FORMAT) + records.ljust(512, b"\0") + tar({"file": b"x" * 700})
    with pytest.raises(Damaged):
        members(data)


@pytest.mark.parametrize("field", [b"\xff" * 12, b"\x80" + b"\xff" * 11, b"0000000009\0 ", b"-0000000001\0", b"0x00000001\0 "])
def test_a_size_that_is_none_is_damage(tar: Any, field: bytes) -> None:
    data = tar({"file": b"x"})
    with pytest.raises(Damaged, match="size that is no number"):
        members(checksummed(data[:124] + field + data[136:512]) + data[512:])


def test_a_huge_extended_header_is_not_read_into_memory() -> None:
    header = tarfile.TarInfo("PaxHeader")
    header.type, header.size = tarfile.XHDTYPE, 10**9
    with pytest.raises(Unread, match="more than any real one"):
        members(header.tobuf(tarfile.GNU_FORMAT) + bytes(4096))


def test_one_size_for_all_members_is_not_understood(tar: Any) -> None:
    header = tarfile.TarInfo("PaxHeader")
    header.type, header.size = tarfile.XGLTYPE, 10
    data = header.tobuf(tarfile.USTAR_FORMAT) + b"10 size=1\n".ljust(512, b"\0") + tar()
    with pytest.raises(Unread, match="global header"):
        members(data)
    comment = b"52 comment=0123456789012345678901234567890123456789\n"
    header.size = len(comment)
    assert len(members(header.tobuf(tarfile.USTAR_FORMAT) + comment.ljust(512, b"\0") + tar())) == 3


def test_every_truncation_is_found(tar: Any) -> None:
    data = tar()
    end = len(data.rstrip(b"\0")) // 512 * 512 + 512 + 1024  # the end marker is two blocks
    whole = len(members(data))
    for length in [*range(0, end, 97), *range(0, end, 512), end - 1]:
        with pytest.raises(Damaged) as caught:
            members(data[:length])
        assert caught.value.cut_off
    for length in range(end, len(data), 512):
        assert len(members(data[:length])) == whole


@pytest.mark.parametrize("tail", [b"x", b"\0" * 700 + b"x", b"\0" * 512 + b"y" * 512])
def test_something_behind_the_end_is_found(tar: Any, tail: bytes) -> None:
    with pytest.raises(Damaged, match="behind the end marker"):
        members(tar() + tail)


def test_half_an_end_marker_is_found(tar: Any) -> None:
    data = tar({"one": b"1"})
    with pytest.raises(Damaged, match="half of an end marker"):
        members(data[:1024] + bytes(512) + data)


def test_every_flipped_bit_of_a_header_is_found_or_changes_nothing(tar: Any) -> None:
    data = tar({"one": b"1"})
    unharmed = 0
    for bit in range(512 * 8):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        try:
            assert members(bytes(flipped)) == [("one", b"1")], f"bit {bit}"
            unharmed += 1
        except ArchiveProblem:
            pass
    assert unharmed <= 16  # bits of the checksum's own field that make a zero a space


SPARSE_MAP = [(0, 512), (4096, 100)]


def sparse(extents: list[tuple[int, int]], stored: int, whole: int, more: list[tuple[int, int]] | None = None) -> bytes:
    """Return an archive with one sparse file in the form of GNU tar."""
    header = bytearray(tarfile.TarInfo("sparse").tobuf(tarfile.GNU_FORMAT)[:512])
    header[156:157] = b"S"
    header[124:136] = b"%011o\0" % stored
    packed = b"".join(b"%011o\0%011o\0" % extent for extent in extents)
    header[386 : 386 + len(packed)] = packed
    header[482] = more is not None
    header[483:495] = b"%011o\0" % whole
    further = b"".join(b"%011o\0%011o\0" % extent for extent in more or []).ljust(512, b"\0") if more is not None else b""
    return checksummed(bytes(header)) + further + b"d" * stored + bytes(-stored % 512) + bytes(1024)


def test_a_sparse_file_is_as_long_as_what_is_stored_of_it() -> None:
    assert members(sparse(SPARSE_MAP, 612, 5000)) == [("sparse", b"d" * 612)]
    assert members(sparse([(0, 1)] * 0 + SPARSE_MAP, 622, 10_000, more=[(8192, 10)])) == [("sparse", b"d" * 622)]


@pytest.mark.parametrize(
    "data",
    [
        sparse(SPARSE_MAP, 700, 5000),
        sparse(SPARSE_MAP, 612, 4000),
        sparse(SPARSE_MAP[::-1], 612, 5000),
        sparse(SPARSE_MAP, 622, 10_000, more=[(8192, 11)]),
        checksummed(sparse(SPARSE_MAP, 612, 5000)[:483] + b"\xff" * 12 + bytes(17)) + bytes(2048),
    ],
)
def test_a_sparse_map_that_does_not_fit_is_damage(data: bytes) -> None:
    with pytest.raises(Damaged, match="map that does not fit"):
        members(data)


def test_numbers_are_octal_digits_and_nothing_else() -> None:
    assert [tar_headers.octal(text) for text in (b"0000644\0", b"  644 \0", b"", b"\0\0")] == [0o644, 0o644, 0, 0]
    for text in (b"+644", b"6_4", b"0o64", b"9", b"6 4", b"x"):
        with pytest.raises(ValueError):
            tar_headers.octal(text)


def usual_headers() -> dict[str, bytes]:
    info = tarfile.TarInfo("files/opt/app/server.js")
    info.size, info.mtime, info.uname, info.gname = 700, 1_700_000_000, "app", "www-data"
    long_name = tarfile.TarInfo("d/" * 60 + "x" * 100)
    return {"file": info.tobuf(tarfile.USTAR_FORMAT), "prefix": long_name.tobuf(tarfile.USTAR_FORMAT), "gnu": info.tobuf(tarfile.GNU_FORMAT)}


def both_say(block: bytes) -> tuple[Any, Any]:
    """Return what the quick reader and the thorough one say of a header; the first one may have nothing to say."""
    try:
        header = tar_headers.read_header(block, 0)
        thorough: Any = (header.name, header.kind, header.size)
    except Damaged as damage:
        thorough = damage.message
    return tar_headers.read_usual_header(block), thorough


@pytest.mark.parametrize("name", list(usual_headers()))
@pytest.mark.parametrize("fits", [True, False], ids=["its checksum fits", "its checksum is the old one"])
def test_the_quick_reader_of_headers_says_what_the_thorough_one_says(name: str, fits: bool) -> None:
    block = usual_headers()[name]
    assert both_say(block)[0] is not None
    taken = 0
    for bit in range(512 * 8):
        flipped = bytearray(block)
        flipped[bit // 8] ^= 1 << bit % 8
        usual, thorough = both_say(checksummed(bytes(flipped)) if fits else bytes(flipped))
        assert usual in (None, thorough), bit
        taken += usual is not None
    assert taken > 3000 if fits else taken < 100


WITH_ODD_FIELDS = {
    "something behind the end of the name": lambda block: checksummed(block[:60] + b"left from before".rjust(40, b"x") + block[100:]),
    "size of twelve digits": lambda block: checksummed(block[:124] + b"000000000700" + block[136:]),
    "size in base 256": lambda block: checksummed(block[:124] + b"\x80" + bytes(10) + b"\7" + block[136:]),
    "no magic": lambda block: checksummed(block[:257] + bytes(8) + block[265:]),
    "checksum that ends in a letter": lambda block: checksummed(block)[:154] + b" x" + block[156:],
    "checksum that is one modulus short": lambda block: short_of_a_modulus(block[:157] + b"\xff" * 355),
    "checksum that is beyond the modulus": lambda block: checksummed(block[:157] + b"\xff" * 355),
}


def short_of_a_modulus(block: bytes) -> bytes:
    total = sum(block[:148]) + 8 * 32 + sum(block[156:512]) - 65521
    return block[:148] + b"%06o\0 " % total + block[156:]


@pytest.mark.parametrize("name", list(WITH_ODD_FIELDS))
def test_headers_that_few_write(name: str) -> None:
    usual, thorough = both_say(WITH_ODD_FIELDS[name](usual_headers()["file"]))
    assert usual in (None, thorough)


def test_checksums_of_signed_bytes_are_accepted(tar: Any) -> None:
    block = bytearray(tar({"caf\u00e9": b""}, tarfile.GNU_FORMAT)[:512])
    signed = sum(byte - 256 if byte > 127 else byte for byte in block[:148] + block[156:]) + 8 * 32
    block[148:156] = b"%06o\0 " % signed
    assert tar_headers.checksum_fits(bytes(block))
    block[0] ^= 1
    assert not tar_headers.checksum_fits(bytes(block))


def details(form: int, **fields: Any) -> Any:
    info = tarfile.TarInfo("name")
    for key, value in fields.items():
        setattr(info, key, value)
    data = info.tobuf(form, "utf-8", "surrogateescape") + bytes(1024)
    return next(iter(TarReader([data]))).details()


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize(
    "fields",
    [
        {"mode": 0o4755, "uid": 1000, "gid": 33, "uname": "app", "gname": "www-data", "mtime": 1_790_000_000},
        {"type": tarfile.SYMTYPE, "linkname": "/some/where", "mtime": 0},
        {"type": tarfile.LNKTYPE, "linkname": "a/b"},
        {"type": tarfile.SYMTYPE, "linkname": "x" * 500},
        {"uid": 3_000_000, "gid": 2**31, "mtime": -5},
        {"uname": "r\u00e9mi", "gname": "g" * 40, "mtime": 1.25},
    ],
)
def test_rights_owner_time_and_target_are_those_that_tarfile_wrote(form: int, fields: dict[str, Any]) -> None:
    beyond_ustar = len(fields.get("linkname", "")) > 100 or fields.get("uid", 0) > 0o7777777 or fields.get("mtime", 0) < 0
    if form == tarfile.USTAR_FORMAT and (beyond_ustar or len(fields.get("gname", "")) > 32):
        return
    if form == tarfile.GNU_FORMAT and (len(fields.get("gname", "")) > 32 or fields.get("mtime", 0) < 0):
        return
    found = details(form, **fields)
    wanted = tarfile.TarInfo("name")
    for key, value in fields.items():
        setattr(wanted, key, value)
    seconds = wanted.mtime if form == tarfile.PAX_FORMAT else int(wanted.mtime)
    assert (found.mode, found.uid, found.gid) == (wanted.mode, wanted.uid, wanted.gid)
    assert (found.user.decode(), found.group.decode()) == (wanted.uname, wanted.gname)
    assert (found.mtime_ns, found.target.decode()) == (int(seconds * 10**9), wanted.linkname)


def test_a_number_that_is_none_is_damage() -> None:
    block = tarfile.TarInfo("name").tobuf(tarfile.USTAR_FORMAT)
    # A time in base 256 of 88 bits is one that no system takes.
    for at, field in [*((at, b"0x7    ") for at in (100, 108, 116, 136)), (136, b"\x80" + b"\x7f" * 11)]:
        broken = checksummed(block[:at] + field + block[at + len(field) :])
        member = next(iter(TarReader([broken + bytes(1024)])))
        with pytest.raises(Damaged, match="a number that is none"):
            member.details()


@pytest.mark.parametrize(
    "record",
    [b"14 mtime=1e99\n", b"11 uid=-1\n\0", b"15 mtime=1.x.y\n", b"29 mtime=9999999999999999999\n", b"30 mtime=-9999999999999999999\n"],
)
def test_a_record_that_is_no_number_is_damage(record: bytes) -> None:
    header = tarfile.TarInfo("PaxHeader")
    header.type, header.size = tarfile.XHDTYPE, len(record)
    data = header.tobuf(tarfile.USTAR_FORMAT) + record.ljust(512, b"\0") + tarfile.TarInfo("name").tobuf(tarfile.USTAR_FORMAT)
    with pytest.raises(Damaged):
        next(iter(TarReader([data + bytes(1024)]))).details()
