"""The service from Python: `Client`, and `AsyncClient` with the same methods. Needs the base install only."""

from soundproof.client.answer import Answer
from soundproof.client.async_client import AsyncClient
from soundproof.client.client import Client
from soundproof.client.job_events import Ended, JobEvent, Progressed, Settled
from soundproof.client.patience import Patience
from soundproof.client.problem import ClientError, PatienceOver, ProblemError

__all__ = [
    "Answer",
    "AsyncClient",
    "Client",
    "ClientError",
    "Ended",
    "JobEvent",
    "Patience",
    "PatienceOver",
    "ProblemError",
    "Progressed",
    "Settled",
]
