"""Why a run ended without an outcome, as its caller is told."""

from soundproof.engine.protocol import Source
from soundproof.errors import DeviceMemoryExhausted, EngineStopped, ModelUnavailable, WorkerLost


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
