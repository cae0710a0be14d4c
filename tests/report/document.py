"""Reads a report as a browser would, with the standard library alone."""

import base64
import io
from html.parser import HTMLParser

from PIL import Image

VOID = {'img', 'meta', 'link', 'br', 'input'}


class Document(HTMLParser):
    """Elements, ids, links, images and texts of a page.

    Args:
        text: Of the page; its elements must be closed in order.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict]] = []
        self.texts: dict[str, str] = {}
        self.sections: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, f'not closed: {self.open}'

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        assert len(attributes) == len(attrs), f'an attribute twice: {attrs}'
        self.elements.append((tag, attributes))
        if tag not in VOID:
            self.open.append(tag)
        if tag == 'section':
            self.sections.append(attributes['id'])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.sections and 'section' in self.open:
            name = self.sections[-1]
            self.texts[name] = self.texts.get(name, '') + data
        elif 'header' in self.open:
            self.texts['header'] = self.texts.get('header', '') + data

    def all(self, tag: str) -> list[dict]:
        """Attributes of all elements of a name."""
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def ids(self) -> list[str]:
        """All of them."""
        return [attributes['id'] for _, attributes in self.elements if 'id' in attributes]

    @property
    def headings(self) -> list[int]:
        """Levels in their order."""
        return [int(name[1]) for name, _ in self.elements if name in ('h1', 'h2', 'h3', 'h4')]

    def images(self) -> list[Image.Image]:
        """Decoded."""
        pictures = []
        for attributes in self.all('img'):
            kind, _, content = attributes['src'].partition(';base64,')
            picture = Image.open(io.BytesIO(base64.b64decode(content, validate=True)))
            picture.load()
            assert kind == f'data:image/{picture.format.lower()}'
            assert picture.size == (int(attributes['width']), int(attributes['height']))
            pictures.append(picture)
        return pictures
