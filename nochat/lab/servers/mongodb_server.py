"""MongoDB, or its stand-in."""

from importlib import metadata
from pathlib import Path

import pymongo
from pymongo import errors

from nochat.lab.board import progress
from nochat.lab.errors import NotAnswering
from nochat.lab.folders import own_folder
from nochat.lab.servers.server import Server, named, private
from nochat.local import doctor, embedded
from nochat.local.processes import ChildProcess, free_port, start_child

NAME, VARIABLE = "MongoDB", "NOCHAT_ACTIVITY_URL"
STAND_IN = "MongoDB wire protocol by nx-27017, a stand-in for mongod"


def mongodb(*, data_dir: Path | None = None, quiet: bool = False) -> Server:
    """Start a private MongoDB or its stand-in, or use the one that `NOCHAT_ACTIVITY_URL` names.

    Args:
        data_dir: folder for a private one's data; if None, they are removed with it.
        quiet: print nothing.

    Raises:
        Missing: neither mongod nor nx-27017 is installed.
        NotReady: it does not start.
        NotAnswering: the server of `NOCHAT_ACTIVITY_URL` can't be used.
    """
    schemes = ("mongodb", "mongodb+srv")
    return named(NAME, VARIABLE, schemes, look) or _start(data_dir, quiet)


def _start(data_dir: Path | None, quiet: bool) -> Server:
    stand_in = doctor.require("mongod").name != "mongod"
    with progress(STAND_IN if stand_in else NAME, quiet):
        if not stand_in:
            return private(NAME, *_start_mongod(data_dir), look)
        return private(STAND_IN, *embedded.mongodb(data_dir), _look_at_stand_in)


def _start_mongod(data_dir: Path | None) -> tuple[str, ChildProcess]:
    folder, port = own_folder("mongodb"), free_port()
    data_dir = (data_dir or folder / "data").absolute()
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    where = ["--bind_ip", "127.0.0.1", "--port", str(port), "--dbpath", str(data_dir)]
    command: list[str | Path] = [doctor.require("mongod"), *where, "--nounixsocket", "--quiet"]
    return f"mongodb://127.0.0.1:{port}", start_child(command, log=folder / "log", remove=folder)


def _look_at_stand_in(url: str) -> str:
    look(url)
    return metadata.version("nx-27017")  # It does not report its own version.


def look(url: str) -> str:
    """Return the version of the server at a URL.

    Raises:
        NotAnswering: it can't be reached, or refuses the user or password.
    """
    try:
        with pymongo.MongoClient[dict[str, object]](url, serverSelectionTimeoutMS=3000) as client:
            # Unlike the server's `hello`, a ping of a database checks the password.
            client.get_default_database("nochat").command("ping")
            return str(client.server_info().get("version", "?"))
    except errors.ConnectionFailure as error:
        raise NotAnswering(f"can't be reached ({str(error).partition(',')[0]})") from error
    except (errors.ConfigurationError, ValueError) as error:
        raise NotAnswering(f"is not a URL that pymongo understands ({error})") from error
    except errors.PyMongoError as error:
        raise NotAnswering(f"refuses the user or password ({error})") from error
