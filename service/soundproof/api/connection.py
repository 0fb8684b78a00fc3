"""A client's TCP connection: uvicorn's own, with bounds against clients that use it to keep others waiting."""

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

# Bytes handled before other connections have their turn. h11 takes about 20 us for a chunk of a chunked body, however
# small: a read of asyncio's usual 256 KiB, all in chunks of one byte, would hold everybody else up for a second.
READ_BYTES = 16 << 10
# What may wait behind a request that is being worked on.
MOST_WAITING_BYTES = 64 << 10


class Connection(H11Protocol):
    """Ends when the head of a request is not complete within uvicorn's keep-alive timeout.

    uvicorn starts that timer after an answer only, and the first byte of the next request stops it: a client that
    sends less than a request would hold its file descriptor for ever.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        transport.max_size = READ_BYTES  # type: ignore[attr-defined]  # of asyncio's selector transports
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def data_received(self, data: bytes) -> None:
        """As uvicorn's, but for the timer, which handle_events stops at the end of a request's head."""
        self.conn.receive_data(data)
        self.handle_events()
        if self.cycle is not None and not self.cycle.more_body and not self.cycle.response_complete:
            self._listen_on()

    def _listen_on(self) -> None:
        """With a request waiting behind the one at work uvicorn reads no more, and would not see the client leave."""
        waiting, _ = self.conn.trailing_data
        if len(waiting) > MOST_WAITING_BYTES:
            self.transport.close()
        else:
            self.flow.resume_reading()
