"""Pages that are written while the site is built, into folders that git ignores."""

from pathlib import Path


def replace_pages(folder: Path, pages: dict[str, str]) -> None:
    """Make a folder hold these files; one whose text did not change is not read again."""
    folder.mkdir(exist_ok=True)
    for name, text in pages.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    for old in folder.iterdir():
        if old.name not in pages:
            old.unlink()


def table(heads: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"
