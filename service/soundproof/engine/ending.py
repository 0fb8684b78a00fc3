"""Why a run ended without an outcome, as its caller is told."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from soundproof.engine.protocol import Source
from soundproof.engine.run import Run
from soundproof.errors import DeviceMemoryExhausted, EngineStopped, ModelUnavailable, WorkerFault, WorkerLost

log = logging.getLogger("soundproof.engine")


@contextmanager
def failing(run: Run) -> Iterator[None]:
    """A fault of ours in here fails this run; it must neither hang nor take the worker with it."""
    try:
        yield
    except Exception:
        log.exception("run %s failed", run.id)
        run.fail(WorkerFault("The service failed on this request."))


def stopped() -> EngineStopped:
    return EngineStopped("The service is shutting down.", "Send the request again later.")


def unavailable(source: Source, reason: str) -> ModelUnavailable:
    return ModelUnavailable(f"Model {source.name!r} cannot be served: {reason}")


def given_up(device: str, *, exhausted: bool, losses: int) -> DeviceMemoryExhausted | WorkerLost:
    if exhausted:
        return DeviceMemoryExhausted(
            f"The memory of {device} does not hold this request, however little is tried at a time.",
            "Ask the operator for a device with more memory, or use a model of shorter clips.",
        )
    return WorkerLost(f"The worker ended {losses} times while it worked on this request.", "Please report this.")
