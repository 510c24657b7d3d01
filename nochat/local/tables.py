"""Tables, as text for a terminal and as HTML for a notebook."""

import html
from collections.abc import Sequence

Row = Sequence[str]

LEFT = 'style="text-align: left"'  # JupyterLab would align text on the right


def as_text(rows: Sequence[Row]) -> str:
    """Return rows of cells as lines with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
    return "\n".join(lines)


def as_html(heads: Row, rows: Sequence[Row]) -> str:
    """Return rows of cells as an HTML table, below their heads."""
    body = "".join(_row(cells, "td") for cells in rows)
    return f"<table><thead>{_row(heads, 'th')}</thead><tbody>{body}</tbody></table>"


def _row(cells: Row, tag: str) -> str:
    shown = (f"<{tag} {LEFT}>{html.escape(cell)}</{tag}>" for cell in cells)
    return f"<tr>{''.join(shown)}</tr>"
