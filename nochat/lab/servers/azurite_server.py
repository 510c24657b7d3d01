"""Azurite, which serves Azure Blob Storage on this machine."""

import base64
import os
import secrets
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from nochat.lab.board import progress
from nochat.lab.errors import NotAnswering
from nochat.lab.folders import own_folder
from nochat.lab.servers.server import Server, private
from nochat.local import doctor
from nochat.local.processes import free_port, start_child

NAME, ACCOUNT, CONTAINER = "Azurite", "nochat", "replica"
DAYS = 30  # validity of the signature in the URL


def azurite(*, quiet: bool = False) -> Server:
    """Start a private Azurite; its URL, of a container with a signature, suits NOCHAT_REPLICA_URL.

    It writes to disk only every few seconds: unlike the other servers, it may lose the latest
    data by `kill()`. A SIGTERM lets it write first.

    Args:
        quiet: print nothing.

    Raises:
        Missing: Azurite or Node.js is not installed.
        NotReady: it does not start.
    """
    package, node = doctor.require("azurite"), doctor.require("node")
    with progress(NAME, quiet):
        folder, port, key = own_folder("azurite"), free_port(), _new_key()
        where = ["--blobHost", "127.0.0.1", "--blobPort", str(port), "--location", str(folder)]
        manners = ["--silent", "--disableTelemetry", "--skipApiVersionCheck"]
        child = start_child(
            [node, package.parent / "dist/src/blob/main.js", *where, *manners],
            # A private account, as the key of the default one is public.
            env=os.environ | {"AZURITE_ACCOUNTS": f"{ACCOUNT}:{key}"},
            log=folder / "log",
            remove=folder,
        )
        url = f"http://127.0.0.1:{port}/{ACCOUNT}/{CONTAINER}?{_signature(key)}"
        server = private(NAME, url, child, look)
        make_container(url)
        return server


def make_container(url: str) -> None:
    """Create the container that a URL with a signature names."""
    from azure.storage.blob import ContainerClient

    with ContainerClient.from_container_url(url) as container:
        container.create_container()


def look(url: str) -> str:
    """Ask the server at a URL for its version.

    Raises:
        NotAnswering: it can't be reached.
    """
    parts = urlsplit(url)
    try:
        headers = urllib.request.urlopen(f"{parts.scheme}://{parts.netloc}/", timeout=5).headers  # noqa: S310
    except urllib.error.HTTPError as refusal:
        refusal.close()
        headers = refusal.headers
    except OSError as error:
        raise NotAnswering(f"can't be reached ({error})") from error
    return str(headers["Server"]).rpartition("/")[2]


def _new_key() -> str:
    return base64.b64encode(secrets.token_bytes(64)).decode()


def _signature(key: str) -> str:
    """Return a token that allows the use of every container, but no change of the account."""
    from azure.storage.blob import (
        AccountSasPermissions,
        ResourceTypes,
        Services,
        generate_account_sas,
    )

    return generate_account_sas(
        ACCOUNT,
        key,
        ResourceTypes(container=True, object=True),
        AccountSasPermissions(read=True, add=True, create=True, write=True, list=True),
        datetime.now(UTC) + timedelta(days=DAYS),
        services=Services(blob=True),
        protocol="https,http",
    )
