"""The calls for the tokens of users' own programs."""

from typing import Annotated

import msgspec
from msgspec import Meta

from nochat.errors import RequestFailed
from nochat.protocol import incoming
from nochat.protocol.incoming import Incoming
from nochat.protocol.requests import GetTokens, MakeToken, RevokeToken, TokenDays, TokenInfo
from nochat.services.web.rest import Call, Caller, Empty, Limits, NotAllowed


class TokenList(msgspec.Struct, frozen=True):
    """One's tokens, the newest first."""

    tokens: list[TokenInfo]


class NewToken(Incoming, frozen=True):
    """A token to create: its name, the days until it expires, and the current password."""

    name: incoming.Title
    password: Annotated[str, Meta(max_length=256)]
    days: TokenDays = 90


class MadeToken(msgspec.Struct, frozen=True):
    """A new token, shown only once, and its entry in the list."""

    secret: str
    listed: TokenInfo


class OwnTokens:
    """The calls for one's own tokens.

    Args:
        attempts: the limits on attempts at passwords.
    """

    def __init__(self, attempts: Limits) -> None:
        self._attempts = attempts
        self.calls = [
            Call("GET", "/api/tokens", _tokens, gives=TokenList),
            Call("POST", "/api/tokens", self._make, NewToken, MadeToken, refuses=(409, 429)),
            Call("POST", "/api/tokens/{token}/revoke", _revoke, refuses=(404,)),
        ]

    async def _make(self, caller: Caller, sent: NewToken) -> MadeToken:
        """Create a token for a program of one's own; it is shown only once."""
        self._attempts.check(caller, caller.session.user)
        asked = MakeToken(
            token=caller.token, password=sent.password, name=sent.name, days=sent.days
        )
        made = await caller.bus.request(asked)
        return MadeToken(made.token, made.tokens[0])


async def _tokens(caller: Caller, _: Empty) -> TokenList:
    """List one's own tokens."""
    answer = await caller.bus.request(GetTokens(token=caller.token))
    return TokenList(answer.tokens)


async def _revoke(caller: Caller, _: Empty) -> Empty:
    """Revoke one of one's own tokens."""
    try:
        await caller.bus.request(RevokeToken(token=caller.token, which=caller.path["token"]))
    except RequestFailed as error:
        raise NotAllowed(404, error.reason) from None
    return Empty()
