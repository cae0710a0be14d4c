"""The page around the sections: title, contents, style."""

from typing import NamedTuple

from .html import Html, join, tag
from .style import STYLE

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""No script runs and nothing is fetched, whatever stands in the page."""


class Section(NamedTuple):
    """A part of the report.

    Attributes:
        id: Of its element, for links.
        title: Its heading.
        body: What stands below.
    """

    id: str
    title: str
    body: Html


def page(title: str, lead: Html, sections: list[Section]) -> str:
    """A whole document.

    Args:
        title: Of the document and its first heading.
        lead: Stands below that heading.
        sections: In their order.
    """
    links = [tag('li', tag('a', part.title, href=f'#{part.id}')) for part in sections]
    contents = tag(
        'nav',
        tag('h2', 'Contents', id='contents'),
        tag('ul', *links),
        aria_labelledby='contents',
    )
    parts = [
        tag(
            'section',
            tag('h2', part.title, id=f'{part.id}-title'),
            part.body,
            id=part.id,
            aria_labelledby=f'{part.id}-title',
        )
        for part in sections
    ]
    head = tag(
        'head',
        tag('meta', charset='utf-8'),
        tag('meta', name='viewport', content='width=device-width, initial-scale=1'),
        tag('meta', http_equiv='Content-Security-Policy', content=POLICY),
        tag('meta', name='color-scheme', content='light dark'),
        tag('title', title),
        tag('style', Html(STYLE)),
    )
    header = tag('header', tag('h1', title), lead, contents)
    body = tag('body', tag('div', header, tag('main', *parts), class_='page'))
    return f'<!doctype html>\n{tag("html", head, body, lang="en")}\n'


def missing(reason: str) -> Html:
    """Why a section could not be made."""
    return tag('p', join('Not made: ', reason), class_='missing')
