# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Unpack zstd with the library libzstd, which dpkg itself needs: without a pipe it takes half the time of the program."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Iterator
from functools import lru_cache

from ansible_collections.upkeep.runbook.plugins.module_utils.archives.streams import CHUNK_BYTES
from ansible_collections.upkeep.runbook.plugins.module_utils.text import decode

_NAME = "libzstd.so.1"
_WINDOW_LOG_MAX = 100
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
        library.ZSTD_isError.restype = ctypes.c_uint
        library.ZSTD_isError.argtypes = [ctypes.c_size_t]
        library.ZSTD_getErrorName.restype = ctypes.c_char_p
        library.ZSTD_getErrorName.argtypes = [ctypes.c_size_t]
    except (OSError, AttributeError):
        return None
    return library


def decompressed(library: ctypes.CDLL, chunks: Iterable[bytes], memory_bytes: int) -> Iterator[bytes]:
    """Yield what all frames in ``chunks`` unpack to, in parts of at most CHUNK_BYTES.

    :param memory_bytes: what a frame may ask for.
    :raises ZstdError: when a frame is wrong, or asks for more. That the last one is cut off is not told.
    """
    context = library.ZSTD_createDCtx()
    if not context:
        raise ZstdError("not enough memory")
    try:
        window_log = max(_LEAST_WINDOW_LOG, memory_bytes.bit_length() - 1)
        _check(library, library.ZSTD_DCtx_setParameter(context, _WINDOW_LOG_MAX, min(window_log, 31)))
        space = ctypes.create_string_buffer(CHUNK_BYTES)
        output = _Buffer(ctypes.addressof(space), CHUNK_BYTES, 0)
        for chunk in chunks:
            source = _Buffer(ctypes.cast(ctypes.c_char_p(chunk), ctypes.c_void_p), len(chunk), 0)
            more = True
            while more:
                output.position = 0
                _check(library, library.ZSTD_decompressStream(context, ctypes.byref(output), ctypes.byref(source)))
                # A full part may leave more in the decoder even when all input was taken.
                more = source.position < source.size or output.position == CHUNK_BYTES
                if output.position:
                    yield ctypes.string_at(space, output.position)
    finally:
        library.ZSTD_freeDCtx(context)


def _check(library: ctypes.CDLL, code: int) -> None:
    if library.ZSTD_isError(code):
        raise ZstdError(decode(library.ZSTD_getErrorName(code)))
