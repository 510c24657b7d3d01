"""The pages and their files, at URLs that change with their content, for browsers' caches."""

from functools import lru_cache
from hashlib import blake2b
from pathlib import Path

from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

STATIC = Path(__file__).with_name("static")
FOR_GOOD = "public, max-age=31536000, immutable"

# Compressed files contain no secrets, which their length could reveal.
COMPRESSED = [Middleware(GZipMiddleware)]


class Pages:
    """The pages `index.html` and `manage.html`, with their files.

    A page refers to its files below `static/v-<version>/`, and so do modules to each other:
    browsers may cache a version's files forever. The same files are below `static/`, to be
    revalidated each time.

    Attributes:
        routes: the routes of the pages and files.
        paths: the paths of the two pages.
    """

    paths = ("/", "/manage")

    def __init__(self) -> None:
        self._version = _version()
        static = StaticFiles(directory=STATIC)
        self.routes: list[BaseRoute] = [
            Route("/", self._index, middleware=COMPRESSED),
            Route("/manage", self._manage, middleware=COMPRESSED),
            Mount("/static/v-{version}", static, middleware=COMPRESSED),
            Mount("/static", static, middleware=COMPRESSED),
        ]

    def caching(self, path: str) -> str:
        """Return the Cache-Control of a path.

        A page of another server may request another version's files here; they get this version's.
        """
        if path.startswith(f"/static/v-{self._version}/"):
            return FOR_GOOD
        return "no-cache" if path.startswith("/static/") else "no-store"

    async def _index(self, _: Request) -> Response:
        return self._page("index.html")

    async def _manage(self, _: Request) -> Response:
        return self._page("manage.html")

    def _page(self, name: str) -> Response:
        self._version = _version()  # somebody may be editing
        page = (STATIC / name).read_text(encoding="utf-8")
        return HTMLResponse(page.replace('"static/', f'"static/v-{self._version}/'))


def _version() -> str:
    """Return a digest of all files as their version, equal on all servers with the same files."""
    files = ((path, path.stat()) for path in sorted(STATIC.rglob("*.*")))
    return _digest(*((path, stat.st_mtime_ns, stat.st_size) for path, stat in files))


@lru_cache(maxsize=1)
def _digest(*files: tuple[Path, int, int]) -> str:
    digest = blake2b(digest_size=6)
    for path, _, size in files:
        digest.update(f"{path.relative_to(STATIC)} {size} ".encode() + path.read_bytes())
    return digest.hexdigest()
