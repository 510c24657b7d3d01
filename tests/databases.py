"""Databases of a test's own, on whichever MongoDB it runs against."""

from urllib.parse import urlsplit


def at(url: str, name: str) -> str:
    """The URL of a database on a server; who logs in by the URL does so as it says."""
    parts = urlsplit(url)
    query = parts.query
    if parts.username and "authSource" not in query:  # else the database would be asked for them
        query = "&".join(filter(None, [query, f"authSource={parts.path.strip('/') or 'admin'}"]))
    return parts._replace(path=f"/{name}", query=query).geturl()


def by_port(url: str, port: int) -> str:
    """The same database by another port of this computer, where something stands in between."""
    parts = urlsplit(url)
    login, at_, _ = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{login}{at_}127.0.0.1:{port}").geturl()
