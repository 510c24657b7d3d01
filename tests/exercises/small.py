"""A deployment on this computer, which stands for the two machines of notebook 07.

The chat is one process with a real MariaDB, whose URL it reads from a file, as the services on the
machine do. The judge's commands are run here instead of by SSH.
"""

import shlex
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

from nochat.lab import chat, servers
from nochat.lab.errors import MachinesError, NotAnswering

SECRET = "/opt/nochat-stack/.secrets/users_url"


def forget(running: chat.Chat) -> None:
    """Let a chat of one process lose all that was said."""
    running.kill("nochat")
    shutil.rmtree(running.folder / "data")
    running.restart("nochat")


def run(command: str) -> str:
    """Run a command of a shell; one that fails raises what it raises on a machine."""
    ran = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False)
    if ran.returncode:
        raise MachinesError(f"`{command}` ended with status {ran.returncode}: {ran.stderr}")
    return ran.stdout


class Small:
    """Both machines: the judge's `farm` and its `site`.

    Attributes:
        database: the database.
        url: the file of the services' secret.
        chat: the services.
    """

    def __init__(self, folder: Path, maria: servers.Server) -> None:
        self.url, self.database = folder / "users_url", maria
        self.url.write_text(maria.url)
        self.chat = chat.start(users_url_file=str(self.url), user_rate="0", login_rate="0")
        self.site = SimpleNamespace(url=self.chat.url, trust=None)

    @property
    def log(self) -> Path:
        """The file that the services write to."""
        return self.chat.processes["nochat"].log

    @property
    def user(self) -> str:
        """The account that the services use."""
        return urlsplit(self.url.read_text()).username

    @property
    def password(self) -> str:
        """The password that the services use."""
        return urlsplit(self.url.read_text()).password

    def opens(self) -> bool:
        """Return whether the services' secret opens the database."""
        try:
            return bool(self.database.look(self.url.read_text()))
        except (NotAnswering, FileNotFoundError):
            return False

    def ssh(self, _: str, command: str) -> str:
        """Run a command of the judge's here."""
        here = command.replace("sudo mariadb", self._client()).replace("sudo ", "")
        return run(here.replace(SECRET, str(self.url)))

    def sql(self, text: str) -> None:
        """Run SQL as the database's root."""
        self.ssh("database-host", f"sudo mariadb --execute {shlex.quote(text)}")

    @contextmanager
    def tunnel(self, *_, to: str):
        yield SimpleNamespace(port=urlsplit(self.database.url).port)

    def tell(self, password: str, user: str = "nochat") -> None:
        """Let the services read another secret, and start again."""
        parts = urlsplit(self.database.url)
        self.url.write_text(f"{parts.scheme}://{user}:{password}@127.0.0.1:{parts.port}/nochat")
        self.chat.processes["nochat"].restart()

    def forget(self) -> None:
        """Lose all that was said."""
        forget(self.chat)

    def _client(self) -> str:
        return f"mariadb --no-defaults --socket={self.database.child.log.parent / 'socket'}"
