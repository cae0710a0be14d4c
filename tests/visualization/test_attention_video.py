import numpy as np

from dinomm.visualization.attention_video import SIDE, attention_frame
from dinomm.visualization.heat import heat
from dinomm.visualization.sheets import GAP

PICTURE = np.random.default_rng(0).integers(0, 256, (SIDE // 2, SIDE, 3), dtype=np.uint8)
MAPS = np.array([[[0.5, 0.1]], [[0.0, 0.1]], [[0.2, 0.2]]])


def test_frame_and_mean_side_by_side():
    frame = attention_frame(PICTURE, MAPS)
    assert frame.shape == (SIDE // 2, 2 * SIDE + GAP, 3)
    assert (frame[:, :SIDE] == PICTURE).all()
    assert (frame[:, -SIDE:] == heat(PICTURE, MAPS.mean(0))).all()


def test_each_head():
    frame = attention_frame(PICTURE, MAPS, all_heads=True)
    assert frame.shape == (3 * SIDE // 2 + 2 * GAP, 2 * SIDE + GAP, 3)
    assert (frame[-SIDE // 2 :, :SIDE] == heat(PICTURE, MAPS[2])).all()
    assert (frame[-SIDE // 2 :, -SIDE:] == 255).all()  # five tiles on six places


def test_the_point_is_marked():
    frame = attention_frame(PICTURE, MAPS, query=(0.5, 0.5))
    assert (frame[:, :SIDE] != PICTURE).any()
