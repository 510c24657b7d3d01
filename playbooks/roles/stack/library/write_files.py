#!/usr/bin/python
"""Writes a folder's text files in one task: Ansible's own, `copy`, takes two round trips a file."""

import os
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: write_files
short_description: Write a folder's text files
description:
  - Writes those that are not as they should be, each whole or not at all. Others stay.
options:
  folder:
    description: Where they are; it must be there. Folders in it are made, for its owner alone.
    type: path
    required: true
  files:
    description: By name, the V(content), and the V(mode) in octal digits (0644 if none is given).
    type: dict
    required: true
author: NoChat
"""
EXAMPLES = """
- write_files:
    folder: /opt/chat
    files:
      run: {content: "#!/bin/sh\\n", mode: "0755"}
      etc/chat.conf: {content: "port = 8000\\n"}
"""
RETURN = """
diff:
  description: Of each file that was written, what it was and what it is.
  returned: always
  type: list
"""


def main() -> None:
    """Write the files, or in check mode say which would be."""
    module = AnsibleModule(
        argument_spec={
            "folder": {"type": "path", "required": True},
            "files": {"type": "dict", "required": True},
        },
        supports_check_mode=True,
    )
    folder = Path(module.params["folder"])
    if not folder.is_dir():
        module.fail_json(msg=f"there is no folder {folder}")
    diffs = []
    for name, file in module.params["files"].items():
        path, content, mode = folder / name, file["content"], int(file.get("mode", "0644"), 8)
        try:
            before = _look(path)
            if before == (content, mode):
                continue
            if not module.check_mode:
                _write(path, content, mode)
        except OSError as error:
            module.fail_json(msg=f"{path} can't be written: {error.strerror}")
        old = before[0] if before else ""
        diffs.append({"before": old, "after": content, "before_header": name, "after_header": name})
    module.exit_json(changed=bool(diffs), diff=diffs)


def _look(path: Path) -> "tuple[str, int] | None":
    """Return the content of a file, and its mode; None if the file does not exist."""
    if not path.exists():
        return None
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        return file.read(), path.stat().st_mode & 0o777


def _write(path: Path, content: str, mode: int) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    with open(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
        file.write(content.encode())
    new.chmod(mode)
    new.replace(path)


if __name__ == "__main__":
    main()
