"""The report's pictures of a network and its images, each as one figure of the page."""

import base64
import io
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image

from .html import Html, join, tag
from .materials import Materials

MAX_WIDTH = 1400
"""Of a picture in the page, pixels."""
MAX_PNG = 250_000
"""Bytes above which a picture becomes a JPEG."""
QUALITY = 85
NEIGHBOURS = 6
CORRESPONDING = 2
"""Images of which correspondence is shown."""


def figure(draw: Callable[[Path], object], alt: str, caption: str) -> Html:
    """Has a PNG drawn and puts it into the page.

    Args:
        draw: Writes the PNG at the path that it is given.
        alt: For who does not see it.
        caption: Stands below.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder) / 'picture.png'
        draw(path)
        source, size = data_uri(path.read_bytes())
    image = tag('img', src=source, alt=alt, width=size[0], height=size[1])
    return tag('figure', image, tag('figcaption', caption), class_='picture')


def data_uri(png: bytes) -> tuple[str, tuple[int, int]]:
    """A picture for an ``img`` element and its size; a large one is made smaller."""
    picture = Image.open(io.BytesIO(png)).convert('RGB')
    content, kind = png, 'png'
    if picture.width > MAX_WIDTH:
        height = round(picture.height * MAX_WIDTH / picture.width)
        picture = picture.resize((MAX_WIDTH, height), Image.Resampling.LANCZOS)
        content = _encoded(picture, 'PNG', optimize=True)
    if len(content) > MAX_PNG:
        content, kind = _encoded(picture, 'JPEG', quality=QUALITY, optimize=True), 'jpeg'
    return f'data:image/{kind};base64,{base64.b64encode(content).decode()}', picture.size


def crops(materials: Materials) -> Html:
    """Photographs with the boxes of their views, as training cuts them."""
    from dinomm.visualization.crops import crop_sheet
    from dinomm.visualization.training_views import views_of_training_images

    views = views_of_training_images(materials.data_config, materials.number)
    return figure(
        lambda path: crop_sheet(*views, path),
        f'{len(views.images)} training images with the boxes of their views, beside the views',
        'Training images and the views cut from them, as the network gets them: global ones in '
        'orange, local ones in blue. Views of an image that have nothing in common teach nothing.',
    )


def attention(materials: Materials) -> Html:
    """What the heads of the last block look at."""
    from dinomm.evaluation.attention_maps import attention_maps
    from dinomm.evaluation.whole_pictures import to_images
    from dinomm.visualization.attention import attention_sheet

    network, shown = materials.network, whole_pictures(materials)
    maps = [
        attention_maps(network.backbone, to_images(network, picture))[0].cpu().numpy()
        for picture in shown
    ]
    return figure(
        lambda path: attention_sheet(shown, maps, names(materials.paths), path),
        f'Attention of the heads of the last block on {", ".join(names(materials.paths))}',
        'Where the heads of the last block look, the mean first, each in a scale of its own; below '
        'the places that hold most of it. Heads of a trained network look at different parts.',
    )


def pca(materials: Materials) -> Html:
    """Principal components of the region features as colours."""
    from dinomm.evaluation.whole_pictures import region_map
    from dinomm.visualization.pca import feature_colors, pca_sheet

    shown = whole_pictures(materials)
    colors = feature_colors([region_map(materials.network, picture) for picture in shown])
    return figure(
        lambda path: pca_sheet(shown, colors, names(materials.paths), path),
        f'Colours of the region features of {", ".join(names(materials.paths))}',
        'The three largest principal components of the region features as red, green and blue, '
        'shared by all images: parts that look alike to the network have one colour.',
    )


def neighbours(materials: Materials) -> Html:
    """Images and the nearest ones of the training set."""
    from dinomm.evaluation.images import read_picture
    from dinomm.evaluation.neighbors import nearest_neighbors
    from dinomm.evaluation.views import view_features
    from dinomm.visualization.neighbours import Neighbour, neighbour_sheet

    queries, gallery = materials.paths, materials.gallery
    if not gallery:
        raise ValueError('there are no images but those shown: neighbours need more')
    support, rows = (
        view_features(materials.network, materials.viewed_config, paths)
        for paths in (gallery, queries)
    )
    nearest = nearest_neighbors(support, rows, NEIGHBOURS)
    found = [
        [
            Neighbour(
                read_picture(gallery[row]),
                name(gallery[row]),
                cosine,
                materials.same_class(query, gallery[row]),
            )
            for row, cosine in zip(near, cosines, strict=True)
        ]
        for query, near, cosines in zip(
            queries, nearest.row.tolist(), nearest.cosine.tolist(), strict=True
        )
    ]
    return figure(
        lambda path: neighbour_sheet(
            [read_picture(query) for query in queries], names(queries), found, path
        ),
        f'{", ".join(names(queries))}, each with the {len(found[0])} images most similar to it',
        f'Each image and the most similar of {len(gallery)} training images, by the cosine of '
        'their features. Neighbours of one class, found without labels, are what k-NN counts.',
    )


def correspondence(materials: Materials) -> Html:
    """Similar regions of images and of views of them."""
    text = (
        'An image and a view cut from it, jittered and perhaps mirrored: lines join the regions '
        'that the network finds most alike. Good features join the same parts.'
    )
    figures = [correspondence_of(materials, path) for path in materials.paths[:CORRESPONDING]]
    return join(tag('p', text, class_='faint'), *figures)


def correspondence_of(materials: Materials, image: str) -> Html:
    """A figure of one image."""
    from dinomm.evaluation.correspondence import best_pairs
    from dinomm.evaluation.network import view_size
    from dinomm.visualization.correspondence import correspondence_sheet, to_tensor, two_views

    views = two_views(image, None, view_size(materials.viewed_config), seed=0)
    first, second = map(to_tensor, views)
    pairs = best_pairs(materials.network, first, second)
    return figure(
        lambda path: correspondence_sheet(views, pairs, path),
        f'{name(image)} and a view cut from it, lines between regions of similar features',
        name(image),
    )


def whole_pictures(materials: Materials) -> list[np.ndarray]:
    """The images as the network sees them whole."""
    from dinomm.evaluation.whole_pictures import look_at, usual_size

    backbone = materials.network.backbone
    size = usual_size(materials.viewed_config, backbone)
    return [look_at(path, backbone, size) for path in materials.paths]


def names(paths: list[str]) -> list[str]:
    """Captions."""
    return list(map(name, paths))


def name(path: str) -> str:
    """Folder and file."""
    return '/'.join(Path(path).parts[-2:])


def _encoded(picture: Image.Image, form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()
