"""uvicorn, which drains before it ends."""

from types import FrameType

import uvicorn

from soundproof.api.draining import Draining


class Server(uvicorn.Server):
    """Told to end (SIGTERM, Ctrl-C), it goes on listening while it drains, so that whoever asks is told; told again, it
    drains at once; and a third time, it waits for nobody."""

    def __init__(self, config: uvicorn.Config, draining: Draining) -> None:
        super().__init__(config)
        self._draining = draining

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002  (as uvicorn has it)
        if self._draining.hurried:
            self.should_exit = self.force_exit = True
            return
        self._captured_signals.append(sig)  # which uvicorn raises again at its end, for the exit status's sake
        if self._draining.begun:
            self._draining.hurry()
        else:
            self._draining.begin()

    async def on_tick(self, counter: int) -> bool:
        if self._draining.watched(len(self.server_state.tasks)):
            self.should_exit = True
        return await super().on_tick(counter)
