import numpy as np
from PIL import Image

from dinomm.visualization.neighbours import (
    OTHER_COLOR,
    QUERY_COLOR,
    SAME_COLOR,
    Neighbour,
    neighbour_sheet,
)


def flat(shade):
    return np.full((20, 30, 3), shade, np.uint8)


def draw(path, labels):
    neighbours = [
        [Neighbour(flat(10 * i), f'{i}.png', 0.9 - 0.1 * i, labels[i]) for i in (1, 2)],
        [Neighbour(flat(10 * i), f'{i}.png', 0.9 - 0.1 * i, None) for i in (3, 4)],
    ]
    neighbour_sheet([flat(100), flat(110)], ['q', 'r'], neighbours, path / 'sheet.png')
    with Image.open(path / 'sheet.png') as sheet:
        return np.asarray(sheet)


def test_rows_of_queries_from_the_nearest_on(tmp_path):
    sheet = draw(tmp_path, [None, True, False])
    centre = {}
    for shade in (100, 10, 20, 110, 30, 40):
        places = np.argwhere((sheet == shade).all(-1))
        assert len(places) >= 240 * 160
        centre[shade] = places.mean(0)
    assert centre[100][1] < centre[10][1] < centre[20][1]
    assert abs(centre[100][0] - centre[20][0]) < 5 < centre[110][0] - centre[100][0]
    assert all((sheet == color).all(-1).any() for color in (SAME_COLOR, OTHER_COLOR, QUERY_COLOR))


def test_no_colour_where_no_class_is_known(tmp_path):
    sheet = draw(tmp_path, [None] * 3)
    assert not any((sheet == color).all(-1).any() for color in (SAME_COLOR, OTHER_COLOR))
