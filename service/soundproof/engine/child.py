"""A worker process seen from the coordinator: one child, one socket pair."""

import asyncio
import contextlib
import os
import signal
import socket
import sys

from soundproof.engine.protocol import FromWorker, ToWorker, encode, receive

WORKER = (sys.executable, "-m", "soundproof.engine.launch")
# Defaults; the service's own environment overrides them. Threads that wait by spinning steal time from the API process,
# and from each other where cores are shared. And glibc would hand every large buffer back to the kernel and fault it in
# again, page by page, at each layer of each chunk: docs/performance.md says what keeping them, in huge pages, gains.
ENVIRONMENT = {
    "OMP_WAIT_POLICY": "PASSIVE",
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"
    ":glibc.malloc.mmap_threshold=33554432"
    ":glibc.malloc.trim_threshold=4294967296",
}


class Child:
    """Started by `Child.start`; over when `receive` raises EOFError."""

    def __init__(
        self, process: asyncio.subprocess.Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer

    @classmethod
    async def start(cls, command: tuple[str, ...] = WORKER) -> "Child":
        ours, theirs = socket.socketpair()
        with theirs:
            reader, writer = await asyncio.open_connection(sock=ours)
            try:
                process = await asyncio.create_subprocess_exec(
                    *command,
                    str(theirs.fileno()),
                    pass_fds=[theirs.fileno()],
                    stdin=asyncio.subprocess.DEVNULL,
                    env={**ENVIRONMENT, **os.environ},
                    start_new_session=True,  # a Ctrl-C for the service must not reach the worker first
                )
            except BaseException:
                writer.close()
                raise
        return cls(process, reader, writer)

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, message: ToWorker) -> None:
        """Queue a message. To a child that is gone, it is lost: `receive` is about to say so."""
        if not self._writer.is_closing():
            self._writer.write(encode(message))

    async def receive(self) -> FromWorker:
        """The next message; EOFError when the child is gone."""
        try:
            return await receive(self._reader)
        except ConnectionError as error:
            raise EOFError from error

    def kill(self) -> None:
        """End it at once, whatever it is doing."""
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGKILL)

    async def end(self, *, grace_s: float = 0.0) -> int:
        """Make sure that it is gone, `grace_s` seconds after now; its exit status, negative for a signal.

        One that is about to end by itself is given the time to: killing it then would take its status from asyncio.
        """
        self._writer.close()
        if grace_s:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace_s):
                    return await self._process.wait()
        self.kill()
        return await self._process.wait()
