"""HTML that is escaped by construction: only `tag` makes markup, and it escapes all texts."""

from html import escape
from typing import Any

VOID = {'img', 'meta', 'link', 'br'}


class Html(str):
    """Markup; every other string is text."""


def tag(element: str, *children: Any, **attributes: Any) -> Html:
    """An element. Texts and values of attributes are escaped.

    Args:
        element: Its name.
        children: `Html`, or anything whose text is meant; None is left out.
        attributes: ``class_`` stands for class, other underscores for hyphens; True for an
            attribute without a value, None is left out.
    """
    opening = element + ''.join(
        f' {_name(key)}' if value is True else f' {_name(key)}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if element in VOID:
        return Html(f'<{opening}>')
    return Html(f'<{opening}>{join(*children)}</{element}>')


def join(*children: Any, by: str = '') -> Html:
    """Elements and texts one after another."""
    return Html(by.join(_markup(child) for child in children if child is not None))


def table(rows: list[tuple[Any, ...]], heading: tuple[str, ...] = ()) -> Html:
    """A table in a frame that scrolls sideways; the first cell of a row is its heading.

    Rows of two cells stand one below the other on a phone.
    """
    head = tag('thead', tag('tr', *(tag('th', text, scope='col') for text in heading)))
    body = [
        tag('tr', tag('th', first, scope='row'), *(tag('td', cell) for cell in rest))
        for first, *rest in rows
    ]
    return tag(
        'div',
        tag('table', head if heading else None, tag('tbody', *body)),
        class_='table' if heading else 'table pairs',
        tabindex=0,
        role='group',
        aria_label='Table',
    )


def _name(key: str) -> str:
    return key.rstrip('_').replace('_', '-')


def _markup(child: Any) -> str:
    return child if isinstance(child, Html) else escape(str(child))
