"""A client's TCP connection: uvicorn's own, with bounds against clients that use it to keep others waiting."""

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from soundproof.api.headers import ALWAYS

# Bytes handled before other connections have their turn. h11 takes about 20 us for a chunk of a chunked body, however
# small: a read of asyncio's usual 256 KiB, all in chunks of one byte, would hold everybody else up for a second.
READ_BYTES = 16 << 10
# What may wait behind a request that is being worked on.
MOST_WAITING_BYTES = 64 << 10


def connections(unread_s: float) -> type["Connection"]:
    """Of a service whose clients have `unread_s` seconds to take 48 KiB of what waits for them: asyncio's high less its
    low water mark."""
    return type("Connection", (Connection,), {"unread_s": unread_s})


class Connection(H11Protocol):
    """Ends when the head of a request is not complete within uvicorn's keep-alive timeout, and when the client does not
    take what it is sent.

    uvicorn starts that timer after an answer only, and the first byte of the next request stops it: a client that
    sends less than a request would hold its file descriptor for ever. So would one that asks and does not read: uvicorn
    waits for it without an end.
    """

    unread_s: float
    _unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        transport.max_size = READ_BYTES  # type: ignore[attr-defined]  # of asyncio's selector transports
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def connection_lost(self, exc: Exception | None) -> None:
        self._taken()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """As uvicorn's, but for the timer, which handle_events stops at the end of a request's head."""
        self.conn.receive_data(data)
        self.handle_events()
        if self.cycle is not None and not self.cycle.more_body and not self.cycle.response_complete:
            self._listen_on()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._bound()

    def resume_writing(self) -> None:
        self._taken()
        super().resume_writing()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():  # which waits until the client has taken the rest
            self._bound()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._bound()

    def send_400_response(self, msg: str) -> None:
        """As uvicorn's, to what is no HTTP, with the headers that every answer has."""
        headers = {"Content-Type": "text/plain; charset=utf-8", "Connection": "close"} | ALWAYS
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        answer = h11.Response(status_code=400, headers=raw, reason=b"Bad Request")
        for event in (answer, h11.Data(data=msg.encode()), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _bound(self) -> None:
        self._taken()
        self._unread = self.loop.call_later(self.unread_s, self.transport.abort)

    def _taken(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _listen_on(self) -> None:
        """With a request waiting behind the one at work uvicorn reads no more, and would not see the client leave."""
        waiting, _ = self.conn.trailing_data
        if len(waiting) > MOST_WAITING_BYTES:
            self.transport.close()
        else:
            self.flow.resume_reading()
