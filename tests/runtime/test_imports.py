"""What a process imports: each service's has what it needs, and no other's clients and servers."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

START = """
import asyncio, sys
import nochat.cli
from nochat.runtime import bootstrap, registry
from nochat.settings import load

async def start():
    async with bootstrap.running(registry.services(sys.argv[1:]), load()):
        print(*{name.partition(".")[0] for name in sys.modules})

asyncio.run(start())
"""
HEAVY = {"aiohttp", "alembic", "argon2", "httpx", "pika", "pymongo", "requests", "sqlalchemy"}
HEAVY |= {"socketio", "tornado"}
NEEDS = {"users": {"alembic", "argon2", "sqlalchemy"}, "activity": {"pymongo"}}
WITH_SOCKETIO = {"aiohttp", "requests", "tornado"}  # which it imports for clients and other servers


@pytest.mark.parametrize(
    "service", ["users", "activity", "notifications", "controller", "gateway", "web"]
)
def test_a_service_imports_what_it_needs(service, tmp_path):
    env = {name: value for name, value in os.environ.items() if not name.startswith("NOCHAT_")}
    env |= {"NOCHAT_DATA_DIR": str(tmp_path), "NOCHAT_BUS_URL": "memory://"}
    command = [sys.executable, "-c", START, service]
    ran = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    loaded = HEAVY & {*ran.stdout.split()}
    if service == "gateway" and "socketio" in loaded:
        loaded -= WITH_SOCKETIO | {"socketio"}
    assert loaded == NEEDS.get(service, set())
