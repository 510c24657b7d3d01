"""A login of one's own in place of the service `users`: people log in as they do elsewhere."""

import asyncio
import hashlib
import json
import secrets
import time
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from nochat.protocol.reasons import log_in_wrong
from nochat.protocol.requests import (
    Account,
    Accounts,
    CloseSession,
    FindUser,
    GetAccounts,
    KeepSessions,
    OpenSession,
    Over,
    Session,
    WhoIs,
)
from nochat.service import Service

PEOPLE: dict[str, str] = json.loads(Path(__file__).with_name("people.json").read_text())
NOBODY = PasswordHasher().hash(secrets.token_hex())  # an unknown name takes as long as a known
HOURS = 8

service = Service("users")
sessions: dict[str, Session] = {}


def is_right(user: str, password: str) -> bool:
    """Ask whoever knows: here a file of hashes; elsewhere LDAP, or the table of a site."""
    try:
        return PasswordHasher().verify(PEOPLE.get(user, NOBODY), password)
    except VerificationError:
        return False


@service.on(OpenSession)
async def log_in(asked: OpenSession) -> Session:
    """Check the password; a session without a user says that it is wrong."""
    user = asked.user.lower()
    if not await asyncio.to_thread(is_right, user, asked.password):
        return Session(**log_in_wrong().fields)
    token = secrets.token_urlsafe()
    sessions[digest(token)] = Session(
        user=user, digest=digest(token), expires=time.time() + HOURS * 3600
    )
    return Session(user=user, token=token, digest=digest(token))


@service.on(WhoIs)
async def who_is(asked: WhoIs) -> Session:
    """Say whose session it is; asked at each request and for each socket."""
    session = sessions.get(digest(asked.token), Session())
    return session if session.expires > time.time() else Session()


@service.on(CloseSession)
async def log_out(asked: CloseSession) -> Session:
    """End a session."""
    session = sessions.pop(digest(asked.token), Session())
    return Session(user=session.user, ended=[session.digest] if session.user else [])


@service.on(KeepSessions)
async def over(asked: KeepSessions) -> Over:
    """Say which of the sessions that have a socket are over."""
    now = time.time()
    return Over(
        [session for session in asked.sessions if sessions.get(session, Session()).expires < now]
    )


@service.on(FindUser)
async def find(asked: FindUser) -> Accounts:
    """Say whether there is somebody of that name, who can be invited."""
    return Accounts([account(asked.user.lower())] if asked.user.lower() in PEOPLE else [])


@service.on(GetAccounts)
async def people(asked: GetAccounts) -> Accounts:
    """List people by the beginning of their names."""
    names = sorted(name for name in PEOPLE if name.startswith(asked.prefix) and name > asked.after)
    return Accounts([account(name) for name in names[: asked.limit]], more=len(names) > asked.limit)


def account(name: str) -> Account:
    return Account(name=name)


def digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
