"""Features of images as points of a plane."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from .curves import STYLE
from .files import replaced_when_whole
from .pca import principal_components
from .sheets import scaled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Method = Literal['pca', 'umap']
THUMBNAIL = 40  # longest side, pixels
DPI = 110
POINTS_AN_INCH = 72


class Embedding(NamedTuple):
    """Points of a plane.

    Attributes:
        points: (N, 2).
        axes: What the two axes are, for people.
    """

    points: np.ndarray
    axes: tuple[str, str]


def embed(features: np.ndarray, method: Method = 'pca', seed: int = 0) -> Embedding:
    """Places features (N, C), L2-normalised first, in a plane.

    Args:
        features: At least three.
        method: 'pca', or 'umap' by cosine similarity (arXiv:1802.03426), which needs umap-learn.
        seed: Of UMAP.

    Raises:
        ValueError: There are fewer than three, or umap-learn is not installed.
    """
    if len(features) < 3:
        raise ValueError(f'{len(features)} images make no map: give at least 3')
    rows = np.asarray(features, dtype=np.float64)
    rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    if method == 'umap':
        return Embedding(_by_umap(rows, seed), ('UMAP 1', 'UMAP 2'))
    components = principal_components(rows, 2)
    first, second = (
        f'principal component {number} ({share:.0%} of the variance)'
        for number, share in enumerate(components.share, 1)
    )
    return Embedding(components.project(rows), (first, second))


def _by_umap(rows: np.ndarray, seed: int) -> np.ndarray:
    try:
        from umap import UMAP
    except ImportError:
        raise ValueError(
            "method 'umap' needs the package umap-learn: install it, or take 'pca'"
        ) from None
    neighbours = min(15, len(rows) - 1)
    return UMAP(n_neighbors=neighbours, metric='cosine', random_state=seed).fit_transform(rows)


def embedding_map(
    embedding: Embedding,
    out_path: str | Path,
    labels: Sequence[int] | None = None,
    classes: Sequence[str] | None = None,
    pictures: Sequence[np.ndarray] | None = None,
) -> None:
    """Draws one PNG: a point for each image, in the colour of its class, or the image itself.

    Args:
        embedding: N points.
        out_path: PNG file to write.
        labels: N numbers of classes.
        classes: Their names.
        pictures: N of (H, W, 3) uint8, drawn in place of the points.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with rc_context(STYLE):
        figure = Figure(figsize=(10, 8), layout='constrained')
        canvas = FigureCanvasAgg(figure)
        axes = figure.subplots()
        colors = _colors(labels)
        if pictures is not None:
            _draw_pictures(axes, embedding.points, pictures, colors)
        else:
            x, y = embedding.points.T
            axes.scatter(x, y, s=14, c=colors or '#0066CC', linewidths=0, alpha=0.8)
        if labels is not None:
            _draw_legend(axes, labels, classes)
        axes.set(
            title=f'Features of {len(embedding.points):,} images',
            xlabel=embedding.axes[0],
            ylabel=embedding.axes[1],
        )
        with replaced_when_whole(out_path) as file:
            canvas.print_figure(file, format='png', dpi=DPI)


def _colors(labels: Sequence[int] | None) -> list[Any] | None:
    if labels is None:
        return None
    from matplotlib import colormaps

    present = sorted(set(labels))
    palette = colormaps['tab10' if len(present) <= 10 else 'turbo']
    color = {
        label: palette(i if len(present) <= 10 else i / (len(present) - 1))
        for i, label in enumerate(present)
    }
    return [color[label] for label in labels]


def _draw_legend(axes: 'Axes', labels: Sequence[int], classes: Sequence[str] | None) -> None:
    present = sorted(set(labels))
    if len(present) > 30:
        return
    for label, color in zip(present, _colors(present) or [], strict=True):
        name = classes[label] if classes else str(label)
        axes.scatter([], [], color=color, label=name, s=40)
    axes.legend(loc='center left', bbox_to_anchor=(1, 0.5), title='class')


def _draw_pictures(
    axes: 'Axes', points: np.ndarray, pictures: Sequence[np.ndarray], colors: list[Any] | None
) -> None:
    from matplotlib.offsetbox import AnnotationBbox, OffsetImage

    axes.scatter(points[:, 0], points[:, 1], s=0)  # sets the limits
    axes.margins(0.08)
    for i, (point, picture) in enumerate(zip(points, pictures, strict=True)):
        image = OffsetImage(np.asarray(scaled(picture, THUMBNAIL)), zoom=POINTS_AN_INCH / DPI)
        box = AnnotationBbox(image, tuple(point), pad=0.1)
        box.patch.set(edgecolor=colors[i] if colors else '#AAAAAA', linewidth=2 if colors else 0.5)
        axes.add_artist(box)
