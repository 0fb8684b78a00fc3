"""Who asks the service during a soak: honest, careless and hostile callers, each with a habit of their own."""

import contextlib
import itertools
import json
import random
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from tests.bench.case import MODEL, YES
from tests.bench.soak_ledger import GIVEN_UP, Ledger

# Uploads as a service meets them that anybody can reach.
GARBAGE = (
    b"",
    b"RIFF",
    b"RIFF\xff\xff\xff\xffWAVEfmt ",
    b"ID3" + bytes(500),
    b"\x00" * 5_000,
    b"fLaC" + bytes(range(256)) * 4,
    b"RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x03\x00\x01\x00\x80>\x00\x00\x00\xfa\x00\x00\x04\x00 \x00"
    b"data\x04\x00\x00\x00\x00\x00\xc0\x7f",
)
JOB_CLIPS = 4
_FILE = b'--b\r\nContent-Disposition: form-data; name="audio"; filename="a.wav"\r\n\r\n'


@dataclass
class Callers:
    """`address`: host and port. Each method is one turn of a habit, numbered from 0."""

    address: tuple[str, int]
    sounds: list[bytes]
    ledger: Ledger
    patience_s: float = 300.0
    _clients: threading.local = field(default_factory=threading.local)

    @property
    def client(self) -> httpx.Client:
        """One for each thread, so that connections are kept and used again as browsers do."""
        if not hasattr(self._clients, "of"):
            self._clients.of = httpx.Client(base_url="http://{}:{}".format(*self.address), timeout=self.patience_s)
        client: httpx.Client = self._clients.of
        return client

    def habits(self) -> list[tuple[Callable[[int], None], float]]:
        """Each with the seconds between two turns."""
        return [
            (self.certify, 5.0),
            (self.ask_again, 3.0),
            (self.gate, 7.0),
            (self.sweep, 31.0),
            (self.verify, 23.0),
            (self.watch_progress, 17.0),
            (self.hand_in_a_job, 29.0),
            (self.look_around, 5.0),
            (self.send_garbage, 2.0),
            (self.leave_during_the_upload, 3.0),
            (self.leave_during_the_work, 11.0),
            (self.upload_slowly, 13.0),
            (self.ask_and_not_read, 19.0),
            (self.open_and_say_nothing, 37.0),
            (self.storm, 41.0),
        ]

    def certify(self, number: int) -> None:
        contract = (
            {"contract": "waveform", "sigma": 0.02},
            {"contract": "feature", "sigma": 0.5},
            {"contract": "post_processed", "transform": "rms", "sigma": 0.02},
            {"contract": "waveform", "noise": "lattice", "sigma": 0.02},
        )[number % 4]
        self.post("certify", "/certify", self.sound(number), n=200, **contract)

    def ask_again(self, number: int) -> None:
        self.post("certify, asked before", "/certify", self.sounds[0], n=200, label="yes")

    def gate(self, number: int) -> None:
        self.post("gate", "/certify", self.sound(number), n=2_000, target_snr_db=70)

    def sweep(self, number: int) -> None:
        self.post("sweep", "/certify/sweep", self.sound(number), n=100, settings="waveform:0.02,feature,clip:0.02")

    def verify(self, number: int) -> None:
        sound = self.sound(number)
        answer = self.post("certify", "/certify", sound, n=100)
        if answer is not None and answer.is_success:
            files = {"audio": ("a.wav", sound), "certificate": ("c.json", answer.content)}
            self._asked("verify", lambda: self.client.post("/verify", files=files, data={"fresh_votes": "100"}))

    def watch_progress(self, number: int) -> None:
        self.post("certify, watched", "/certify", self.sound(number), n=300, progress="true")

    def hand_in_a_job(self, number: int) -> None:
        """Every third is cancelled, and one clip of each is none."""
        files = [("audio", (f"{each}.wav", self.sound(7 * number + each))) for each in range(JOB_CLIPS)]
        files[-1] = ("audio", ("bad.wav", b"RIFF"))
        key = {"Idempotency-Key": f"soak-{number}"}
        answer = self._asked(
            "job", lambda: self.client.post("/jobs", files=files, data={"n": "100", "model": MODEL}, headers=key)
        )
        if answer is None or not answer.is_success:
            return
        job = answer.json()["id"]
        self.ledger.accepted(job)
        if number % 3 == 2:
            self._asked("job, cancelled", lambda: self.client.delete(f"/jobs/{job}"))
        self._asked("job, watched to its end", lambda: self.client.get(f"/jobs/{job}/events"))
        self._asked("job, results", lambda: self.client.get(f"/jobs/{job}/results"))

    def look_around(self, number: int) -> None:
        for path in ("/metrics", "/readyz", "/models", "/openapi.json", "/nowhere", "/certificates/none"):
            self._asked(f"GET {path}", lambda path=path: self.client.get(path))  # type: ignore[misc]

    def send_garbage(self, number: int) -> None:
        audio = GARBAGE[number % len(GARBAGE)] if number % 2 else random.Random(number).randbytes(4_096)  # noqa: S311
        self.post("garbage", "/certify", audio, n=200)

    def leave_during_the_upload(self, number: int) -> None:
        with self._connected("an upload broken off") as opened:
            opened.sendall(_head(100_000) + self.sounds[0][: 1 + 997 * (number % 30)])

    def leave_during_the_work(self, number: int) -> None:
        body = _body(self.sound(number), n=100_000, sigma=0.02)
        with self._connected("a certification left") as opened:
            opened.sendall(_head(len(body)) + body)
            opened.settimeout(0.5)
            with contextlib.suppress(TimeoutError):
                opened.recv(1)

    def upload_slowly(self, number: int) -> None:
        """Until the service has had enough of it."""
        kind = "an upload that is too slow"
        with socket.create_connection(self.address, timeout=30) as opened:
            opened.sendall(_head(100_000) + _FILE)
            opened.settimeout(0.5)
            for _ in range(120):
                opened.sendall(b"x")
                with contextlib.suppress(TimeoutError):
                    self.ledger.ended(kind, opened.recv(65_536).split()[1].decode())
                    return
        self.ledger.lost(kind, "no answer within a minute")

    def ask_and_not_read(self, number: int) -> None:
        """Ask for a lot on one connection, take nothing of it, and stay until the service ends the connection."""
        with self._connected("answers that nobody reads") as opened, contextlib.suppress(OSError):
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            opened.settimeout(60)
            for _ in range(200):
                opened.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n")

    def open_and_say_nothing(self, number: int) -> None:
        with contextlib.ExitStack() as stack:
            opened = [stack.enter_context(self._connected("an idle connection")) for _ in range(50)]
            for each in opened:
                each.settimeout(30)
                with contextlib.suppress(OSError):
                    each.recv(1)

    def storm(self, number: int) -> None:
        for _ in range(100):
            with self._connected("a connection that is reset") as opened:
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
                opened.sendall(_head(10))

    def sound(self, number: int) -> bytes:
        """One of the clips, in turn."""
        return self.sounds[number % len(self.sounds)]

    def post(self, kind: str, path: str, audio: bytes, **fields: Any) -> httpx.Response | None:
        """Ask `path` about a sound. The service answers from its store only where a label is given."""
        data = {"model": MODEL} | {name: str(value) for name, value in fields.items()}
        headers = {} if "label" in fields else {"Cache-Control": "no-store"}
        return self._asked(
            kind, lambda: self.client.post(path, files={"audio": ("a.wav", audio)}, data=data, headers=headers)
        )

    def _asked(self, kind: str, ask: Callable[[], httpx.Response]) -> httpx.Response | None:
        """Its whole answer; without one the request is lost."""
        try:
            answer = ask()
        except httpx.HTTPError as error:
            self.ledger.lost(kind, f"{type(error).__name__} {error}")
            return None
        self.ledger.ended(kind, answer.status_code)
        return answer

    @contextmanager
    def _connected(self, kind: str) -> Iterator[socket.socket]:
        try:
            with socket.create_connection(self.address, timeout=30) as opened:
                yield opened
        except ConnectionError:
            pass  # the service was quicker to end it
        except TimeoutError:
            self.ledger.lost(kind, "it took no connection")
            return
        self.ledger.ended(kind, GIVEN_UP)


def again(what: Callable[[int], None], every_s: float, over: threading.Event, faults: list[BaseException]) -> None:
    """One turn after another until it is over; a fault of a caller is told at the end."""
    for number in itertools.count():
        try:
            what(number)
        except (OSError, httpx.HTTPError, json.JSONDecodeError, LookupError) as fault:
            faults.append(fault)
        if over.wait(every_s):
            return


def _head(length: int) -> bytes:
    return (
        b"POST /certify HTTP/1.1\r\nHost: a\r\nCache-Control: no-store\r\n"
        b"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: %d\r\n\r\n" % length
    )


def _body(audio: bytes, **fields: object) -> bytes:
    parts = [
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in ({"model": MODEL} | fields).items()
    ]
    return b"".join([*parts, _FILE, audio, b"\r\n--b--\r\n"])


def spoken() -> bytes:
    return YES.read_bytes()
