"""users: accounts and sessions in a relational database (MariaDB or MySQL; SQLite by default)."""

from asyncio import to_thread
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from nochat.local.threads import made_in_thread
from nochat.protocol.commands import EraseUser
from nochat.protocol.events import AccountDeleted
from nochat.protocol.reasons import log_in_busy
from nochat.protocol.requests import (
    Accounts,
    CloseSession,
    CloseSessions,
    CreateToken,
    CreateUser,
    FindUser,
    GetAccounts,
    GetSessions,
    GetTokens,
    GetTraces,
    KeepSessions,
    OpenSession,
    Over,
    Removal,
    RemoveAccount,
    RemoveToken,
    Session,
    Sessions,
    SetAccount,
    SetPassword,
    TokenInfo,
    Tokens,
    WhoIs,
    WhoseToken,
)
from nochat.runtime.background import Background
from nochat.service import Context, Service
from nochat.services.users import deletions
from nochat.services.users.pool import BoundedPool
from nochat.settings import Settings

if TYPE_CHECKING:
    from nochat.stores.tokens import Tokens as TokenStore
    from nochat.stores.users import UserStore

service = Service["Users"]("users")


def database(settings: Settings) -> str:
    """Return SQLAlchemy's URL of the database."""
    return settings.users_url or f"sqlite:///{settings.data_path / 'users.db'}"


class Users(NamedTuple):
    """The database, and the pool of threads that hash passwords, with 64 MiB for each."""

    store: "UserStore"
    tokens: "TokenStore"
    hashing: BoundedPool


@service.resource
@asynccontextmanager
async def users(context: Context) -> AsyncIterator[Users]:
    """Open the database, migrated to the newest schema."""
    opening = made_in_thread(partial(_stores, context.settings), lambda stores: stores[0].close())
    async with opening as (store, tokens):
        context.bus.tally.store = store.database.product
        with closing(BoundedPool(log_in_busy())) as hashing:
            background = Background()
            background.start(deletions.carry_on(store, context.bus))
            try:
                yield Users(store, tokens, hashing)
            finally:
                background.cancel()


def _stores(settings: Settings) -> "tuple[UserStore, TokenStore]":
    # Imported here, not above: other services import this module only for its queues. In the
    # thread, as the import is slow: other services start meanwhile.
    from nochat.stores.tokens import Tokens as TokenStore
    from nochat.stores.users import UserStore

    store = UserStore(database(settings), settings.session_hours, settings.idle_hours)
    return store, TokenStore(store)


@service.on(CreateUser)
async def create(request: CreateUser, context: Context[Users]) -> Session:
    """Store an account, and open its first session."""
    users = context.resource
    return await users.hashing.run(
        users.store.create, request.user, request.password, request.browser
    )


@service.on(OpenSession)
async def open_session(request: OpenSession, context: Context[Users]) -> Session:
    """Check the password and open a session."""
    users = context.resource
    return await users.hashing.run(
        users.store.open_session, request.user, request.password, request.browser
    )


@service.on(CloseSession)
async def close_session(request: CloseSession, context: Context[Users]) -> Session:
    """End a session."""
    return await to_thread(context.resource.store.close_session, request.token)


@service.on(CloseSessions)
async def close_sessions(request: CloseSessions, context: Context[Users]) -> Session:
    """End one session of a user, or all others."""
    return await to_thread(context.resource.store.close_sessions, request.token, request.session)


@service.on(GetSessions)
async def sessions(request: GetSessions, context: Context[Users]) -> Sessions:
    """List a user's sessions."""
    return Sessions(sessions=await to_thread(context.resource.store.sessions, request.token))


@service.on(RemoveAccount)
async def remove(request: RemoveAccount, context: Context[Users]) -> Removal:
    """Remove an account."""
    users = context.resource
    return await users.hashing.run(users.store.remove, request.token, request.password)


@service.on(AccountDeleted)
async def erase(event: AccountDeleted, context: Context[Users]) -> list[EraseUser]:
    """Erase the name in each room that has a trace of it."""
    traces = await context.bus.request(GetTraces(user=event.user))
    return [EraseUser(room, event.user, event.deleted_as) for room in traces.rooms]


@service.on(WhoIs)
async def who_is(request: WhoIs, context: Context[Users]) -> Session:
    """Return the session of a token."""
    return await to_thread(context.resource.store.session, request.token)


@service.on(CreateToken)
async def create_token(request: CreateToken, context: Context[Users]) -> Tokens:
    """Store a token."""
    users = context.resource
    asked = request.token, request.password, request.name, request.days
    token, info, user = await users.hashing.run(users.tokens.make, *asked)
    return Tokens(user=user, token=token, tokens=[info])


@service.on(RemoveToken)
async def remove_token(request: RemoveToken, context: Context[Users]) -> Tokens:
    """Remove a token; return its user and its name."""
    user, name = await to_thread(context.resource.tokens.revoke, request.token, request.which)
    gone = TokenInfo(token=request.which, name=name, created=0.0, expires=0.0)
    return Tokens(user=user, tokens=[gone])


@service.on(GetTokens)
async def tokens(request: GetTokens, context: Context[Users]) -> Tokens:
    """List a user's tokens."""
    return Tokens(tokens=await to_thread(context.resource.tokens.all, request.token))


@service.on(WhoseToken)
async def whose_token(request: WhoseToken, context: Context[Users]) -> Session:
    """Return the user of a program's token, as a session."""
    return await to_thread(context.resource.tokens.whose, request.token)


@service.on(KeepSessions)
async def keep_sessions(request: KeepSessions, context: Context[Users]) -> Over:
    """Mark sessions as in use; return those that have ended."""
    over = await to_thread(context.resource.store.keep, request.sessions)
    return Over(sessions=over)


@service.on(SetPassword)
async def set_password(request: SetPassword, context: Context[Users]) -> Session:
    """Store a new password, and end the user's other sessions."""
    users = context.resource
    user, ended = await users.hashing.run(
        users.store.set_password, request.token, request.password, request.new_password
    )
    return Session(user=user, ended=ended)


@service.on(SetAccount)
async def set_account(request: SetAccount, context: Context[Users]) -> Accounts:
    """Store a role or a ban."""
    account, ended = await to_thread(
        context.resource.store.change, request.user, request.role, request.banned
    )
    return Accounts(accounts=[account], ended=ended)


@service.on(FindUser)
async def find(request: FindUser, context: Context[Users]) -> Accounts:
    """Return the account of a name, if there is one."""
    account = await to_thread(context.resource.store.find, request.user)
    return Accounts(accounts=[account] if account else [])


@service.on(GetAccounts)
async def accounts(request: GetAccounts, context: Context[Users]) -> Accounts:
    """List accounts."""
    listed, more = await to_thread(
        context.resource.store.accounts, request.prefix, request.after, request.limit
    )
    return Accounts(accounts=listed, more=more)
