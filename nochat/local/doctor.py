"""The examination of this machine: the present and missing components of chat and course."""

import html
import os
import shutil
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nochat.errors import NochatError
from nochat.local.components import COMPONENTS, Component
from nochat.local.tables import LEFT, as_text

GIB = 2**30


class Missing(NochatError):
    """A required component is not on this machine; the message says how to install it."""


@dataclass(frozen=True)
class Finding:
    """The result of one check, with advice if it fails.

    Attributes:
        name: the subject of the check.
        ok: whether the requirement is met.
        seen: the version or amount found.
        part: the part of the chat or the course that needs it.
        advice: what to do; empty if the requirement is met.
    """

    name: str
    ok: bool
    seen: str
    part: str
    advice: str = ""


def find(name: str) -> Path | None:
    """Return the path of a component, or None.

    Raises:
        KeyError: no component has that name.
    """
    location = _component(name).find()
    return location[1] if location else None


def require(name: str) -> Path:
    """Return the path of a component.

    Raises:
        Missing: it is missing; the message says why it is needed and how to install it.
        KeyError: no component has that name.
    """
    if path := find(name):
        return path
    component = _component(name)
    raise Missing(f"{name} is not on this machine; it {component.why}. To do: {component.install}")


def _component(name: str) -> Component:
    return {component.name: component for component in COMPONENTS}[name]


def examine(port: int = 8000, folder: Path | None = None) -> list[Finding]:
    """Check every component and the machine itself.

    Args:
        port: TCP port that the chat would listen on.
        folder: the folder that needs free disk space; if None, the home folder, or without one the
            current folder.
    """
    components = [_examine_component(component) for component in COMPONENTS]
    return [
        *components,
        _examine_disk(folder or _home()),
        _examine_memory(),
        _examine_port(port),
    ]


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:
        return Path.cwd()


def _examine_component(component: Component) -> Finding:
    location = component.find()
    if location is None:
        advice = component.install
        return Finding(component.name, False, "missing", component.part, advice)
    way, path = location
    name = (
        component.name if way.name == component.ways[0].name else f"{component.name} ({way.name})"
    )
    return Finding(name, True, way.version(path), component.part)


def _examine_disk(folder: Path) -> Finding:
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / GIB
    advice = "" if free >= 2 else f"make room in {folder}: 2 GiB are needed"
    return Finding("disk", not advice, f"{free:.1f} GiB free", "everything", advice)


def _examine_memory() -> Finding:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB
    # A machine sold with 4 GB shows a little less.
    advice = "" if total >= 3.5 else "close other programs: 4 GB are needed"
    return Finding("memory", not advice, f"{total:.1f} GiB", "real servers", advice)


def _examine_port(port: int) -> Finding:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            advice = f"stop what listens there (ss -ltnp 'sport = :{port}') or set NOCHAT_PORT=0"
            return Finding(f"port {port}", False, "in use", "the page", advice)
    return Finding(f"port {port}", True, "free", "the page")


def report(findings: Sequence[Finding]) -> str:
    """Return the findings as a plain table for a terminal."""
    rows = [
        (_mark(finding), finding.name, finding.seen, f"for {finding.part}", finding.advice)
        for finding in findings
    ]
    return as_text(rows)


def _mark(finding: Finding) -> str:
    return "ok" if finding.ok else "!!"


class Examination:
    """The current findings, as a table in a notebook and in a terminal.

    Attributes:
        findings: one for each component, then the machine's.
    """

    def __init__(self, port: int = 8000) -> None:
        self.findings = examine(port)

    def __repr__(self) -> str:
        return report(self.findings)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr>{_cell('✓' if finding.ok else '✗')}{_cell(finding.name)}{_cell(finding.seen)}"
            f"{_cell(finding.part)}{_command(finding.advice)}</tr>"
            for finding in self.findings
        )
        heads = "".join(f"<th {LEFT}>{head}</th>" for head in ("", "What", "Seen", "For", "To do"))
        return f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"


def _command(text: str) -> str:
    return f"<td {LEFT}><code>{html.escape(text)}</code></td>" if text else "<td></td>"


def _cell(text: str) -> str:
    return f"<td {LEFT}>{html.escape(text)}</td>"
