"""users: accounts and sessions in a relational database (MariaDB or MySQL; SQLite by default)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from nochat.events import CloseSession, CreateUser, OpenSession, Session, WhoIs
from nochat.service import Context, Service

if TYPE_CHECKING:
    from nochat.stores.users import UserStore

service = Service("users")


@service.resource
@asynccontextmanager
async def store(context: Context) -> AsyncIterator["UserStore"]:
    """The database, brought up to date first."""
    # Here, not above: the other services read this module too, but only for its queues.
    from nochat.stores.users import UserStore

    settings = context.settings
    url = settings.users_url or f"sqlite:///{settings.data_path / 'users.db'}"
    store = await asyncio.to_thread(UserStore, url, settings.session_hours)
    try:
        yield store
    finally:
        store.close()


@service.on(CreateUser)
async def create(request: CreateUser, context: Context) -> Session:
    """Store an account."""
    await asyncio.to_thread(context.resource.create, request.user, request.password)
    return Session(user=request.user)


@service.on(OpenSession)
async def open_session(request: OpenSession, context: Context) -> Session:
    """Check the password and open a session."""
    user, token = await asyncio.to_thread(
        context.resource.open_session, request.user, request.password
    )
    return Session(user=user, token=token)


@service.on(CloseSession)
async def close_session(request: CloseSession, context: Context) -> Session:
    """End a session."""
    return Session(user=await asyncio.to_thread(context.resource.close_session, request.token))


@service.on(WhoIs)
async def who_is(request: WhoIs, context: Context) -> Session:
    """Say whose session it is."""
    return Session(user=await asyncio.to_thread(context.resource.user_of, request.token))
