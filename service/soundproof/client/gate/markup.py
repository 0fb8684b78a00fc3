"""HTML from text of others: whatever it is, it stands for itself."""

from collections.abc import Iterable, Sequence
from html import escape

from soundproof.printable import printable


def text(value: object) -> str:
    """Escaped for elements and for attributes in double quotes."""
    return escape(printable(str(value)), quote=True)


def table(head: Sequence[str], rows: Iterable[Sequence[str]], kind: str = "", right_from: int = 99) -> str:
    """`head` is text, `rows` are HTML cells, each with its <td> or <th>; columns from `right_from` on are numbers. In a
    frame that scrolls by itself."""
    heads = "".join(
        f"<th scope=col{' class=number' if i >= right_from else ''}>{text(h)}</th>" for i, h in enumerate(head)
    )
    body = "".join(f"<tr>{''.join(row)}</tr>\n" for row in rows)
    return (
        f'<div class=scroll><table class="{kind}"><thead><tr>{heads}</tr></thead>\n<tbody>{body}</tbody></table></div>'
    )


def cell(value: object, kind: str = "") -> str:
    return f'<td class="{kind}">{text(value)}</td>' if kind else f"<td>{text(value)}</td>"


def number(value: object) -> str:
    return cell(value, "number")


def row_head(value: object) -> str:
    return f"<th scope=row>{text(value)}</th>"


def section(title: str, *parts: str, name: str = "") -> str:
    return f'<section id="{text(name)}"><h2>{text(title)}</h2>\n{"".join(parts)}</section>\n'


def paragraph(value: str, kind: str = "") -> str:
    return f'<p class="{kind}">{text(value)}</p>\n' if kind else f"<p>{text(value)}</p>\n"
