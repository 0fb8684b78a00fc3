"""Which scope opens which address. What is not in this table is opened by no key."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

from starlette.routing import Match, Route

from soundproof.api_keys import Scope

# For whoever asks: orchestrators and load balancers look here, and have nowhere to keep a key. Told is whether the
# process is alive and can work, and if not why, which may name what is wrong with a model; nothing of clips or jobs is.
ANYBODY: Final = None


@dataclass(frozen=True)
class Address:
    """`path`: the route's own template. A GET is a HEAD too."""

    method: str
    path: str
    scope: Scope | None

    @cached_property
    def _route(self) -> Route:
        return Route(self.path, _never, methods=[self.method])

    def matches(self, method: str, path: str) -> bool:
        """As the router would have it."""
        match, _ = self._route.matches({"type": "http", "method": method, "path": path})
        return match is Match.FULL


ADDRESSES = (
    # What costs compute, or makes or ends jobs.
    Address("POST", "/certify", Scope.CERTIFY),
    Address("POST", "/certify/sweep", Scope.CERTIFY),
    Address("POST", "/verify", Scope.CERTIFY),
    Address("POST", "/jobs", Scope.CERTIFY),
    Address("DELETE", "/jobs/{job_id}", Scope.CERTIFY),
    # What there is.
    Address("GET", "/jobs/{job_id}", Scope.READ),
    Address("GET", "/jobs/{job_id}/results", Scope.READ),
    Address("GET", "/jobs/{job_id}/events", Scope.READ),
    Address("GET", "/certificates/{certificate_id}", Scope.READ),
    Address("GET", "/models", Scope.READ),
    Address("GET", "/models/{name}", Scope.READ),
    Address("GET", "/openapi.json", Scope.READ),
    Address("GET", "/docs", Scope.READ),
    Address("GET", "/static-offline-docs/{path:path}", Scope.READ),
    # How the service does: names of models and keys, and what they are used for.
    Address("GET", "/metrics", Scope.ADMIN),
    Address("GET", "/livez", ANYBODY),
    Address("GET", "/readyz", ANYBODY),
)


def address_of(method: str, path: str) -> Address | None:
    """The address that a request is for; None where the table has none."""
    return next((address for address in ADDRESSES if address.matches(method, path)), None)


async def _never() -> None:
    """Routes of this table only compare."""
