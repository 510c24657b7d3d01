"""Hatchling build hook: puts the page's third-party files where the wheel picks them up.

They come from npm at set-up and are never committed; whoever installs the wheel needs no Node.
"""

import shutil
import subprocess
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

VENDORED = {"socket.io-client/dist/socket.io.esm.min.js": "socket.io.js"}


class BuildPage(BuildHookInterface):
    """Runs `npm ci` where the packages are not there yet, then copies the files."""

    def initialize(self, version: str, build_data: dict) -> None:
        """Fill `nochat/static/vendor` (called by hatchling before every build)."""
        root = Path(self.root)
        modules, vendor = root / "node_modules", root / "nochat" / "static" / "vendor"
        if not all((modules / source).exists() for source in VENDORED):
            command = ["npm", "ci", "--omit=dev", "--no-audit", "--no-fund"]
            subprocess.run(command, cwd=root, check=True)
        vendor.mkdir(parents=True, exist_ok=True)
        for source, target in VENDORED.items():
            shutil.copyfile(modules / source, vendor / target)
