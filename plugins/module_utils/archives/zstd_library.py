# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Pack and unpack zstd with the library libzstd, which dpkg itself needs: there is no pipe to and from a program."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Iterator
from functools import lru_cache

from ansible_collections.upkeep.runbook.plugins.module_utils.archives.streams import CHUNK_BYTES, Space
from ansible_collections.upkeep.runbook.plugins.module_utils.text import decode

_NAME = "libzstd.so.1"
#: Parameters of the library.
_WINDOW_LOG_MAX = 100
_COMPRESSION_LEVEL, _CHECKSUM, _WORKERS, _JOB_SIZE = 100, 201, 400, 401
#: What a thread packs at a time: the default of 8 MiB takes 50 MiB more, for 3 percent of the time.
_JOB_BYTES = 4 * 1024 * 1024
#: What the library is to do with what it was given: take it, or end the frame with it.
_CONTINUE, _END = 0, 2
_LEAST_WINDOW_LOG = 10


class ZstdError(Exception):
    """The library found something wrong; the message is its own."""


class _Buffer(ctypes.Structure):
    """ZSTD_inBuffer and ZSTD_outBuffer, which are alike."""

    _fields_ = (("address", ctypes.c_void_p), ("size", ctypes.c_size_t), ("position", ctypes.c_size_t))


@lru_cache(maxsize=1)
def load_library() -> ctypes.CDLL | None:
    """Return the library, or None where it is not installed or too old."""
    try:
        library = ctypes.CDLL(_NAME)
        library.ZSTD_createDCtx.restype = ctypes.c_void_p
        library.ZSTD_createDCtx.argtypes = []
        library.ZSTD_freeDCtx.argtypes = [ctypes.c_void_p]
        library.ZSTD_DCtx_setParameter.restype = ctypes.c_size_t
        library.ZSTD_DCtx_setParameter.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int]
        library.ZSTD_decompressStream.restype = ctypes.c_size_t
        library.ZSTD_decompressStream.argtypes = [ctypes.c_void_p, ctypes.POINTER(_Buffer), ctypes.POINTER(_Buffer)]
        library.ZSTD_createCCtx.restype = ctypes.c_void_p
        library.ZSTD_createCCtx.argtypes = []
        library.ZSTD_freeCCtx.argtypes = [ctypes.c_void_p]
        library.ZSTD_CCtx_setParameter.restype = ctypes.c_size_t
        library.ZSTD_CCtx_setParameter.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int]
        library.ZSTD_compressStream2.restype = ctypes.c_size_t
        library.ZSTD_compressStream2.argtypes = [
            ctypes.c_void_p, ctypes.POINTER(_Buffer), ctypes.POINTER(_Buffer), ctypes.c_int
        ]
        library.ZSTD_isError.restype = ctypes.c_uint
        library.ZSTD_isError.argtypes = [ctypes.c_size_t]
        library.ZSTD_getErrorName.restype = ctypes.c_char_p
        library.ZSTD_getErrorName.argtypes = [ctypes.c_size_t]
    except (OSError, AttributeError):
        return None
    return library


def decompressed(library: ctypes.CDLL, chunks: Iterable[bytes], memory_bytes: int, space: Space) -> Iterator[memoryview]:
    """Yield what all frames in ``chunks`` unpack to, in the memory that ``space`` gives for each part.

    :param memory_bytes: what a frame may ask for.
    :raises ZstdError: when a frame is wrong, or asks for more. That the last one is cut off is not told.
    """
    context = library.ZSTD_createDCtx()
    if not context:
        raise ZstdError("not enough memory")
    try:
        window_log = max(_LEAST_WINDOW_LOG, memory_bytes.bit_length() - 1)
        _check(library, library.ZSTD_DCtx_setParameter(context, _WINDOW_LOG_MAX, min(window_log, 31)))
        yield from _filled(library, context, chunks, space)
    finally:
        library.ZSTD_freeDCtx(context)


def _filled(library: ctypes.CDLL, context: int, chunks: Iterable[bytes], space: Space) -> Iterator[memoryview]:
    view = space()
    output = _buffer(view)
    try:
        for chunk in chunks:
            source = _Buffer(ctypes.cast(ctypes.c_char_p(chunk), ctypes.c_void_p), len(chunk), 0)
            more = True
            while more:
                if output.position == output.size:
                    yield view
                    output.position = 0
                    view = space()
                    output = _buffer(view)
                _check(library, library.ZSTD_decompressStream(context, ctypes.byref(output), ctypes.byref(source)))
                # A full part may leave more in the decoder even when all input was taken.
                more = output.position == output.size or source.position < source.size
    except Exception:
        if output.position:
            yield view[: output.position]  # what was unpacked before an error comes before it
        raise
    if output.position:
        yield view[: output.position]


def _buffer(view: memoryview) -> _Buffer:
    return _Buffer(ctypes.addressof(ctypes.c_char.from_buffer(view)), len(view), 0)


class Compressor:
    """Packs a stream into one frame with a checksum.

    :param threads: of the library; where it has none, one of ours does their work.
    :raises ZstdError: when there is not enough memory.
    """

    def __init__(self, library: ctypes.CDLL, level: int, threads: int) -> None:
        self._library = library
        self._context = library.ZSTD_createCCtx()
        if not self._context:
            raise ZstdError("not enough memory")
        _check(library, library.ZSTD_CCtx_setParameter(self._context, _COMPRESSION_LEVEL, level))
        _check(library, library.ZSTD_CCtx_setParameter(self._context, _CHECKSUM, 1))
        library.ZSTD_CCtx_setParameter(self._context, _WORKERS, threads)  # an error where the library was built without
        library.ZSTD_CCtx_setParameter(self._context, _JOB_SIZE, _JOB_BYTES)
        self._space = ctypes.create_string_buffer(CHUNK_BYTES)
        self._output = _Buffer(ctypes.addressof(self._space), CHUNK_BYTES, 0)

    def pack(self, data: bytes) -> Iterator[bytes]:
        """Take bytes; yield what is packed so far and was not yielded before."""
        source = _Buffer(ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p), len(data), 0)
        while source.position < source.size:
            yield from self._step(source, _CONTINUE)[1]

    def finish(self) -> Iterator[bytes]:
        """Yield the rest of the frame."""
        source, left = _Buffer(None, 0, 0), 1
        while left:
            left, packed = self._step(source, _END)
            yield from packed

    def close(self) -> None:
        """Let go of its memory and threads; as often as one likes."""
        if self._context:
            self._library.ZSTD_freeCCtx(self._context)
            self._context = None

    def _step(self, source: _Buffer, what: int) -> tuple[int, list[bytes]]:
        output = self._output
        output.position = 0
        left = self._library.ZSTD_compressStream2(self._context, ctypes.byref(output), ctypes.byref(source), what)
        _check(self._library, left)
        return left, [ctypes.string_at(self._space, output.position)] if output.position else []


def _check(library: ctypes.CDLL, code: int) -> None:
    if library.ZSTD_isError(code):
        raise ZstdError(decode(library.ZSTD_getErrorName(code)))
