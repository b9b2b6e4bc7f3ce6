"""A way to Redis that can be made slow: every piece of data that passes is held up."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress

_PIECE = 65_536


class SlowProxy:
    """Listens on loopback and passes everything on, in a thread of its own.

    Args:
        port: of the server behind it.
    """

    def __init__(self, port: int) -> None:
        self._behind = port
        self.delay_s = 0.0
        """How long what a client sends is held up."""
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()
        self._started.wait()

    def stop(self) -> None:
        """Close all connections."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._behind)
        except OSError:
            writer.close()
            return
        await asyncio.gather(self._pass(reader, back, held=True), self._pass(there, writer, held=False))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, held: bool) -> None:
        """Pass data on in its order; each piece leaves so long after it came."""
        pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        sending = asyncio.create_task(self._send(pieces, writer))
        with suppress(OSError):
            while data := await reader.read(_PIECE):
                pieces.put_nowait((self._loop.time() + (self.delay_s if held else 0.0), data))
        pieces.put_nowait((self._loop.time(), b""))
        await sending

    async def _send(self, pieces: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while True:
                due, data = await pieces.get()
                if due > self._loop.time():
                    await asyncio.sleep(due - self._loop.time())
                if not data:
                    break
                writer.write(data)
                await writer.drain()
        writer.close()
