"""A crowd of clients that ask without a pause."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
from tests.api.attack import wait_for
from tests.api.publishing import CLIP, FIELDS
from tests.conftest import Service

CLIENTS = 4


@dataclass
class Crowd:
    """Clients that ask for model `x` again and again, and what they were answered."""

    answers: list[httpx.Response] = field(default_factory=list)
    faults: list[Exception] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def ask(self, service: Service) -> None:
        try:
            with service.client() as client:
                while not self.stop.is_set():
                    self.answers.append(client.post("/certify", files={"audio": CLIP}, data=FIELDS | {"model": "x"}))
        except httpx.HTTPError as error:
            self.faults.append(error)

    def answered_with(self, digest: str) -> None:
        """Wait until that version answers."""
        count = len(self.answers)
        assert wait_for(
            lambda: any(a.is_success and a.json()["model"]["digest"] == digest for a in self.answers[count:])
        )


@contextmanager
def asking(service: Service) -> Iterator[Crowd]:
    crowd = Crowd()
    clients = [threading.Thread(target=crowd.ask, args=[service]) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    try:
        yield crowd
    finally:
        crowd.stop.set()
        for client in clients:
            client.join()
