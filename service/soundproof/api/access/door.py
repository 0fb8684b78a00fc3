"""In front of every route: shows in, or turns away, before anything of the body is read. Pure ASGI."""

from fastapi import Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from soundproof.api.access.addresses import ANYBODY, address_of
from soundproof.api.access.keyring import Holder, Keyring
from soundproof.api.access.purse import NOBODY, Purse
from soundproof.api.problems import answer_to
from soundproof.errors import Forbidden, SoundproofError, Unauthenticated

# Of a request's scope: the name of its key, for the log; and who pays for it.
KEY_NAME = "soundproof.key"
PURSE = "soundproof.purse"


def purse_of(request: Request) -> Purse:
    """Who pays for what a request asks for."""
    purse = request.scope.get(PURSE, NOBODY)
    assert isinstance(purse, Purse)  # noqa: S101  (put there below)
    return purse


class Door:
    """Open to all without a `keyring`. With one, every request needs a key with the scope of its address, and what the
    table of addresses does not have is closed to all of them.

    It stands within BodyLimits, which ends the connection behind an answer that did not wait for the body.
    """

    def __init__(self, app: ASGIApp, keyring: Keyring | None) -> None:
        self._app = app
        self._keyring = keyring

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].endswith("\n"):
            # Python's `$` stands before a last line end too: to the router /metrics%0a would be /metrics, which a proxy
            # that keeps /metrics to itself lets through. With two line ends it is no address.
            scope["path"] += "\n"
        if self._keyring is None or scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # there is no address for anything else
            await send({"type": "websocket.close", "code": 1008})
            return
        try:
            self._check(scope, self._keyring)
        except SoundproofError as error:
            await answer_to(Request(scope), error)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _check(self, scope: Scope, keyring: Keyring) -> None:
        """Raises Unauthenticated and Forbidden."""
        address = address_of(scope["method"], scope["path"])
        needed = address.scope if address else None
        if address and needed is ANYBODY:
            return
        holder = _holder(Headers(scope=scope), keyring)
        scope[KEY_NAME] = holder.key.name
        if needed is None:
            raise Forbidden("No key opens this method of this address.", "GET /openapi.json lists what there is.")
        if needed not in holder.key.scopes:
            raise Forbidden(
                f"This takes a key of scope {needed}.",
                f"The key that was sent has {', '.join(sorted(holder.key.scopes))}.",
                needed,
            )
        scope[PURSE] = holder.purse


def _holder(headers: Headers, keyring: Keyring) -> Holder:
    """Raises Unauthenticated."""
    sent = headers.getlist("authorization")
    scheme, _, secret = sent[0].partition(" ") if len(sent) == 1 else ("", "", "")
    if scheme.lower() != "bearer":
        raise Unauthenticated(
            "This takes a key, once." if sent else "This takes a key.", "Send it as Authorization: Bearer sp_..."
        )
    holder = keyring.holder_of(secret.strip(" "))
    if holder is None:
        raise Unauthenticated("The key that was sent is none of this service.", "It may have been withdrawn.")
    return holder
