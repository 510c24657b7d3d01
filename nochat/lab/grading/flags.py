"""Signs in an answer that a teacher should look at it: code that is about its judge."""

import ast
from collections.abc import Mapping

# Names that an answer to an exercise of the course has no use for.
_OF_PYTHON = (
    "__builtins__ __reduce__ __reduce_ex__ __setstate__ _getframe _current_frames ctypes f_back "
    "f_globals f_locals gc inspect memoryview ptrace settrace"
)
_OF_JUDGES = "NOCHAT_JUDGE Mistake Verdict checking catalogue elsewhere grading"
NAMES = {*_OF_PYTHON.split(), *_OF_JUDGES.split()}
TEXTS = ("/proc/", "/tmp/judge", "nochat-judge", "NOCHAT_JUDGE", "nochat.lab.exercise")  # noqa: S108


def flags(answers: Mapping[str, str]) -> list[str]:
    """Return a sentence for each answer with such a sign."""
    found = {key: sorted(_signs(source)) for key, source in answers.items()}
    return [f"{key} uses {', '.join(signs)}" for key, signs in found.items() if signs]


def _signs(source: str) -> set[str]:
    signs = {text for text in TEXTS if text in source}
    try:
        tree = ast.parse("\n".join(_plain(line) for line in source.splitlines()))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return signs
    for node in ast.walk(tree):
        names = {
            getattr(node, "id", ""),
            getattr(node, "attr", ""),
            getattr(node, "name", "") or "",
            getattr(node, "module", "") or "",
        }
        signs |= {name for name in names if isinstance(name, str) and name in NAMES}
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            changed = ast.unparse(node)
            if changed.startswith(("exercise.", "checks.")):
                signs.add(f"{changed} = …")
    return signs


def _plain(line: str) -> str:
    return "pass" if line.startswith(("%", "!")) else line
