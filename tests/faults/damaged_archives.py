"""Archives to be damaged, and readers that say what is in them independently of the code under test."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

Members = list[tuple[Any, ...]]


def application(size: int = 4000) -> dict[str, bytes]:
    """Return files like those of a small application: text, noise, nothing, long names."""
    noise = random.Random(7)
    return {
        "app/package.json": b'{"name": "ticks", "version": "1.0.0"}\n',
        "app/src/server.js": b"const ws = require('ws');\n" * (size // 26),
        "app/public/logo.png": noise.randbytes(size),
        "app/.env": b"",
        "app/" + "deep/" * 30 + "file.txt": b"at the end of a long path\n",
        "app/caf\u00e9.md": "Caf\u00e9\n".encode() * 20,
    }


def tar_of(files: dict[str, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    """Return a tar archive of the files, with a folder and two links."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        folder = tarfile.TarInfo("app")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(data), 1_790_000_000
            archive.addfile(member, io.BytesIO(data))
        for kind, name in ((tarfile.SYMTYPE, "app/current"), (tarfile.LNKTYPE, "app/hard")):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = kind, "app/package.json"
            archive.addfile(link)
    return buffer.getvalue()


def zip_of(files: dict[str, bytes]) -> bytes:
    """Return a zip archive of the files, every other one without compression."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number, (name, data) in enumerate(files.items()):
            method = zipfile.ZIP_DEFLATED if number % 2 else zipfile.ZIP_STORED
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 2, 3, 4, 6)), data, compress_type=method)
    return buffer.getvalue()


def program(*argv: str) -> Callable[[bytes], bytes]:
    """Return a function that sends bytes through a program and raises when that fails."""

    def through(data: bytes) -> bytes:
        return subprocess.run(argv, input=data, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True, timeout=60).stdout

    return through


PACK: dict[str, Callable[[bytes], bytes]] = {
    "tar": bytes,
    "tar.gz": lambda data: gzip.compress(data, mtime=0),
    "tar.xz": lzma.compress,
    "tar.bz2": bz2.compress,
    "tar.zst": program("zstd", "-q", "-c"),
}
UNPACK: dict[str, Callable[[bytes], bytes]] = {
    "tar": bytes,
    "tar.gz": gzip.decompress,
    "tar.xz": lzma.decompress,
    "tar.bz2": bz2.decompress,
    "tar.zst": program("zstd", "-dqc"),
}
FORMATS = (*PACK, "zip")


def archive_of(kind: str, files: dict[str, bytes]) -> bytes:
    """Return an archive of the files in one of FORMATS."""
    return zip_of(files) if kind == "zip" else PACK[kind](tar_of(files))


def members_of(kind: str, data: bytes, *, contents: bool = True) -> Members:
    """Return what Python's own readers find in an archive; they raise when they cannot read it.

    :param contents: with what the members hold.
    """
    if kind == "zip":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return [(info.filename, info.file_size, archive.read(info) if contents else b"") for info in archive.infolist()]
    return _tar_members(UNPACK[kind](data), contents)


def _tar_members(data: bytes, contents: bool) -> Members:
    found = []
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        for member in archive:
            held = archive.extractfile(member).read() if member.isreg() and contents else b""  # type: ignore[union-attr]
            if len(held) != member.size and contents and member.isreg():
                raise tarfile.ReadError("contents are cut off")
            found.append((member.name, member.type, member.size, member.mode, member.mtime, member.linkname, held))
        end = archive.offset
    if data[end : end + 1024] != bytes(1024) and data[end - 512 : end + 512] != bytes(1024):
        raise tarfile.ReadError("the end marker is missing")
    return found


def header_blocks(data: bytes) -> set[int]:
    """Return where the header blocks of a plain tar archive are; these have checksums, and nothing else of it has."""
    found = set()
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        for member in archive:
            # Extended headers, if any, stand before the member's own.
            found |= {member.offset, member.offset_data - 512}
    return found


def manual_backup(directory: Path, stamp: str, inner: Callable[[bytes], bytes] = bytes) -> Path:
    """Make a backup by the steps of the manual's own script; ``inner`` changes the archive of the application before it is wrapped."""
    staging = directory / f"backup_{stamp}"
    source = directory / "source"
    for folder in ("src", "services", "libs"):
        (source / folder).mkdir(parents=True, exist_ok=True)
        for number in range(5):
            (source / folder / f"{number}.js").write_bytes(random.Random(number).randbytes(3000))
    for name in ("package.json", ".env", "nginx.conf", "ecosystem.config.js"):
        (source / name).write_text(f"# {name}\n" * 20)
    staging.mkdir()
    tar = ["tar", "-C", str(source), "-czf"]
    subprocess.run([*tar, str(staging / "application.tar.gz"), "src/", "services/", "libs/", "package.json", ".env"], check=True)
    subprocess.run([*tar, str(staging / "config.tar.gz"), "nginx.conf", "ecosystem.config.js"], check=True)
    application_archive = staging / "application.tar.gz"
    application_archive.write_bytes(inner(application_archive.read_bytes()))
    (staging / "backend.log").write_text("started\n")
    (staging / "metadata.json").write_text('{\n    "backup_type": "comprehensive",\n    "disk_usage": 37%\n}\n')
    path = directory / f"comprehensive_backup_{stamp}.tar.gz"
    subprocess.run(["tar", "-czf", str(path), "-C", str(directory), staging.name], check=True)
    for file in staging.iterdir():
        file.unlink()
    staging.rmdir()
    return path
