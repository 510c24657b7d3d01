"""Hatchling build hook: puts the page's and the bot's third-party files into the wheel.

They come from npm at set-up and are never committed; users of the wheel need no npm, and Node.js
only for the bot.
"""

import json
import shutil
import subprocess
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

VENDORED = {"socket.io-client/dist/socket.io.esm.min.js": "socket.io.js"}
LIBRARY = "amqplib"  # the bot's
NOT_NEEDED = shutil.ignore_patterns("test*", "*-tests.js", "examples", "bin", "dist", "*.md")


class BuildPage(BuildHookInterface):
    """A hook that runs `npm ci` if packages are missing, then copies the needed files."""

    def initialize(self, version: str, build_data: dict) -> None:
        """Fill `web/static/vendor` and `bots/node_modules`, before every build."""
        root = Path(self.root)
        services = root / "nochat" / "services"
        modules, vendor = root / "node_modules", services / "web" / "static" / "vendor"
        if not all((modules / source).exists() for source in (*VENDORED, LIBRARY)):
            command = ["npm", "ci", "--omit=dev", "--no-audit", "--no-fund"]
            subprocess.run(command, cwd=root, check=True)
        vendor.mkdir(parents=True, exist_ok=True)
        for source, target in VENDORED.items():
            shutil.copyfile(modules / source, vendor / target)
        library = services / "bots" / "node_modules"
        shutil.rmtree(library, ignore_errors=True)
        for name in with_dependencies(modules, LIBRARY):
            shutil.copytree(modules / name, library / name, ignore=NOT_NEEDED)


def with_dependencies(modules: Path, name: str) -> set[str]:
    """List a package and all its dependencies, by name."""
    description = json.loads((modules / name / "package.json").read_text(encoding="utf-8"))
    needed = (
        with_dependencies(modules, dependency) for dependency in description.get("dependencies", {})
    )
    return {name}.union(*needed)
