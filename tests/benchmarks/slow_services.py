"""A server for HTTP, TCP and WebSocket on 127.0.0.1 that answers each request after a fixed delay."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import threading

_WEBSOCKET_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class SlowServices:
    """The server in a thread of its own; a context manager.

    :ivar port: the port it listens on.
    """

    def __init__(self, delay_seconds: float) -> None:
        self._delay = delay_seconds
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.port = 0

    def __enter__(self) -> SlowServices:
        self._thread.start()
        server = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._answer, "127.0.0.1", 0), self._loop).result()
        self.port = server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_exc: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(self._delay)
            key = next((line.split(b":", 1)[1].strip() for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key:")), None)
            if key is None:
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n")
            else:
                accept = base64.b64encode(hashlib.sha1(key + _WEBSOCKET_GUID).digest())
                writer.write(
                    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
                )
                await self._converse(reader, writer)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # a TCP probe connects and goes
        finally:
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer pings with pongs until the client closes."""
        while True:
            first, second = await reader.readexactly(2)
            mask = await reader.readexactly(4)
            payload = bytes(byte ^ mask[index % 4] for index, byte in enumerate(await reader.readexactly(second & 0x7F)))
            opcode = first & 0x0F
            if opcode == 0x9:
                writer.write(bytes([0x8A, len(payload)]) + payload)
            elif opcode == 0x8:
                writer.write(bytes([0x88, len(payload)]) + payload)
                return
