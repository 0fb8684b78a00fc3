"""A container without Docker: an image's entry point as its user, on a root file system that is read-only."""

import json
import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
from tests.conftest import YES, free_port
from tests.docker.image import Image, do, entering

from soundproof.terminal import MISCONFIGURED

HEALTHY_S, GRACE_S = 180, 30
VOLUME = "volume"
OPEN = "SOUNDPROOF_OPEN"


class Container:
    """Started on entering, killed on leaving where it still runs. Its volume is kept beside the image's stages.

    It has no keys, and may be open since its port is published to nobody."""

    def __init__(self, image: Image, target: str) -> None:
        self.root = image.build(target)
        self.user = image.last(target, "USER").value
        self.port = free_port()
        self.environment = image.environment(target) | {"SOUNDPROOF_PORT": str(self.port), OPEN: "true"}
        self.folder = image.last(target, "WORKDIR").value
        self.health = json.loads(image.last(target, "HEALTHCHECK").value.removeprefix("CMD "))
        command = [json.loads(image.last(target, keyword).value) for keyword in ("ENTRYPOINT", "CMD")]
        self.command: list[str] = [word for words in command for word in words]
        self._mount_volume(image, image.last(target, "VOLUME").value)

    def __enter__(self) -> Self:
        do("mount", "-o", "remount,ro", str(self.root))
        self.process = subprocess.Popen([*self._entering(), *self.command])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()
        do("mount", "-o", "remount,rw", str(self.root))
        do("umount", str(self.volume))

    def wait_until_healthy(self) -> None:
        """By the image's own HEALTHCHECK."""
        deadline = time.monotonic() + HEALTHY_S
        while not self._succeeds(*self.health):
            assert self.process.poll() is None, f"it ended with {self.process.returncode}"
            assert time.monotonic() < deadline, "it did not get healthy"
            time.sleep(1)

    def hold_to_its_promises(self) -> None:
        """No capability and no way to one; nothing to install with; nothing to write but the volume."""
        uid = self.user.partition(":")[0]
        for process in self._processes():
            status = dict(
                line.split(":\t", 1) for line in (process / "status").read_text().splitlines() if ":\t" in line
            )
            assert set(status["Uid"].split()) == {uid}, status
            assert all(int(status[name], 16) == 0 for name in ("CapEff", "CapPrm", "CapBnd", "CapInh", "CapAmb")), (
                status
            )
            assert status["NoNewPrivs"] == "1", status
        for tool in ("pip", "hatchling"):
            assert not self._succeeds("python", "-c", f"import {tool}"), f"{tool} is in the image"
        for place in ("/", "/app", "/venv", "/usr/local", "/etc"):
            assert not self._succeeds("touch", f"{place}/written"), f"{place} can be written"
        assert self._succeeds("test", "-w", self.folder), "the volume cannot be written"
        assert self._succeeds("soundproof", "serve", "--check")
        assert self._code("env", f"--unset={OPEN}", "soundproof", "serve") == MISCONFIGURED, "it is open unasked"

    def certify(self) -> str:
        """The id of a clip's certificate."""
        url = f"http://127.0.0.1:{self.port}/certify"
        answer = httpx.post(url, files={"audio": ("yes.wav", YES.read_bytes())}, data={"n": "1000"}, timeout=300)
        answer.raise_for_status()
        return str(answer.json()["certificate_id"])

    def stop(self) -> int:
        """As `docker stop` does; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(GRACE_S)
        assert code in (0, -signal.SIGTERM), code
        return code

    def _mount_volume(self, image: Image, place: str) -> None:
        """A new volume is a copy of what the image has there, owners and all."""
        self.volume = self.root / place.lstrip("/")
        kept = image.folder / VOLUME
        if not kept.exists():
            do("cp", "--archive", str(self.volume), str(kept))
        do("mount", "--bind", str(kept), str(self.volume))

    def _entering(self) -> list[str]:
        return entering(self.root, self.environment, self.folder, user=self.user)

    def _succeeds(self, *command: str) -> bool:
        return self._code(*command) == 0

    def _code(self, *command: str) -> int:
        return subprocess.run([*self._entering(), *command], capture_output=True, check=False).returncode

    def _processes(self) -> list[Path]:
        """The service's and its workers', of the process namespace that the replay is alone in."""
        inside = [path for path in Path("/proc").glob("[0-9]*") if (path / "root").resolve() == self.root]
        assert len(inside) > 1, "there is no worker"
        return inside
