"""The report's pictures of a network and its images, each as one figure of the page."""

import base64
import io
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image

from .html import Html, join, tag
from .materials import Materials, spread

MAX_WIDTH = 1400
"""Of a picture in the page, pixels."""
MAX_PNG = 250_000
"""Bytes above which a picture becomes a JPEG."""
QUALITY = 85
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

    dataset = materials.training_images
    indices = spread(len(dataset), materials.number)
    photographs, views, boxes, flips = [], [], [], []
    for index in indices:
        sample = dataset[index]
        meta = sample['data_samples']
        photographs.append(materials.decoded_images[index]['img'])
        views.append([view.permute(1, 2, 0).numpy() for view in sample['inputs']])
        boxes.append([tuple(map(int, box)) for box in meta.boxes])
        flips.append([bool(flip) for flip in meta.flips])
    return figure(
        lambda path: crop_sheet(photographs, views, boxes, flips, path),
        f'{len(indices)} training images with the boxes of their views, beside the views',
        'Training images and the views cut from them, as the network gets them: global ones in '
        'orange, local ones in blue. Views of an image that have nothing in common teach nothing.',
    )


def attention(materials: Materials) -> Html:
    """What the heads of the last block look at."""
    from dinomm.evaluation.attention_maps import attention_maps
    from dinomm.evaluation.whole_pictures import look_at, to_images, usual_size
    from dinomm.visualization.attention import attention_sheet

    network = materials.network
    size = usual_size(materials.config, network.backbone)
    shown = [look_at(path, network.backbone, size) for path in materials.paths]
    maps = [
        attention_maps(network.backbone, to_images(network, picture))[0].cpu().numpy()
        for picture in shown
    ]
    names = [Path(path).name for path in materials.paths]
    return figure(
        lambda path: attention_sheet(shown, maps, names, path),
        f'Attention of each head of the last block on {len(shown)} images',
        'Where the heads of the last block look, the mean first, each in a scale of its own; below '
        'the places that hold most of it. Heads of a trained network look at different parts.',
    )


def correspondence(materials: Materials) -> Html:
    """Similar regions of images and of views of them."""
    return join(*(correspondence_of(materials, path) for path in materials.paths[:CORRESPONDING]))


def correspondence_of(materials: Materials, image: str) -> Html:
    """A figure of one image."""
    from dinomm.evaluation.correspondence import best_pairs
    from dinomm.evaluation.network import view_size
    from dinomm.visualization.correspondence import correspondence_sheet, to_tensor, two_views

    views = two_views(image, None, view_size(materials.config), seed=0)
    pairs = best_pairs(materials.network, *map(to_tensor, views))
    return figure(
        lambda path: correspondence_sheet(views, pairs, path),
        f'{Path(image).name} and a view cut from it, lines between regions of similar features',
        f'{Path(image).name} and a view cut from it, jittered and perhaps mirrored: the regions '
        'that the network finds most alike. Good features join the same parts.',
    )


def _encoded(picture: Image.Image, form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()
