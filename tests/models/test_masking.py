import numpy as np
import pytest
import torch

from dinomm.engine.batch_part import BatchPart
from dinomm.engine.schedules import Clock
from dinomm.models import PatchMasking
from dinomm.models.masking import Masks, masks_of_groups

KEY = (3, 17)


def draw(masking=None, part=None, batch=8, grid=(14, 14), views=2):
    masking, part = masking or PatchMasking(), part or BatchPart(KEY)
    ratios = masking.ratios(part, views, batch)
    return ratios, masking.draw(part, ratios, grid).reshape(views, batch, *grid)


def test_half_of_the_views_have_evenly_spread_ratios():
    ratios, _ = draw(batch=50)
    masked = np.sort(ratios[ratios > 0])
    assert len(masked) == 50
    bounds = np.linspace(0.1, 0.5, 51)
    assert (bounds[:-1] <= masked).all() and (masked <= bounds[1:]).all()
    assert 10 < (ratios[0] > 0).sum() < 40  # dealt out to both views


def test_blocks_reach_their_ratio_and_do_not_exceed_it():
    ratios, masks = draw(batch=100)
    wanted, found = (ratios * 196).astype(int), masks.sum((2, 3))
    assert (found <= wanted).all() and (found[ratios == 0] == 0).all()
    masked = ratios > 0
    assert found[masked].sum() > 0.95 * wanted[masked].sum()


def test_blocks_are_connected_and_single_cells_are_not():
    def neighbours(shape):
        _, masks = draw(PatchMasking(shape=shape), batch=50)
        return (masks[..., 1:] & masks[..., :-1]).sum() / masks.sum()

    assert neighbours('block') > 0.7 > 0.5 > neighbours('random')


@pytest.mark.parametrize('options', [{'shape': 'random'}, {'exact': True}])
@pytest.mark.parametrize('grid', [(14, 14), (2, 5), (1, 4)])
def test_exact_numbers(options, grid):
    ratios, masks = draw(PatchMasking(**options), batch=40, grid=grid)
    assert np.array_equal(masks.sum((2, 3)), (ratios * grid[0] * grid[1]).astype(int))


def test_processes_and_micro_batches_draw_what_one_draws():
    ratios, masks = draw(batch=24)
    for parts in (
        [BatchPart(KEY, rank=r, num_processes=2) for r in range(2)],
        [BatchPart(KEY, micro_batch=m, num_micro_batches=3) for m in range(3)],
        [BatchPart(KEY, m, 3, r, 2) for m in range(3) for r in range(2)],
    ):
        seen = []
        for part in parts:
            own_ratios, own = draw(part=part, batch=24 // len(parts))
            places = part.places(24 // len(parts))
            assert np.array_equal(own_ratios, ratios[:, places])
            assert np.array_equal(own, masks[:, places])
            seen += list(places)
        assert sorted(seen) == list(range(24))


def test_views_of_one_image_have_masks_of_their_own():
    masking, ratios = PatchMasking(), np.full((1, 8), 0.4)
    first, second = (masking.draw(BatchPart(KEY), ratios, (8, 8), view) for view in (0, 1))
    assert not (first == second).all(1).any()


def test_masks_depend_on_seed_and_step():
    first, again, step, seed = (
        draw(part=BatchPart(key))[1] for key in (KEY, KEY, (3, 18), (4, 17))
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, step) and not np.array_equal(first, seed)


def test_weights_make_the_mean_over_views():
    cells = np.zeros((6, 10), dtype=bool)
    cells[1, :4] = cells[4, 2:5] = True
    masks = Masks.of(cells, num_views=5)
    values = torch.arange(60.0)
    expected = (values[10:14].mean() + values[42:45].mean()) / 5
    torch.testing.assert_close((values[masks.rows] * masks.weights).sum(), expected)
    assert masks.to(torch.device('cpu')).cells.dtype == torch.bool


def test_no_view_masked():
    masks = Masks.of(np.zeros((4, 10), dtype=bool), 4)
    assert len(masks.rows) == len(masks.weights) == 0


def test_groups():
    """Global views of two sizes, the second beside local views of that size."""
    part = BatchPart(KEY)
    groups = [(1, 1, (6, 6)), (1, 3, (4, 4))]
    masking = PatchMasking(share=1.0, exact=True)
    first, second = masks_of_groups(masking, Clock(0, 1), part, 5, groups)
    assert first.cells.shape == (5, 36) and second.cells.shape == (15, 16)
    assert not second.cells[5:].any()
    ratios = masking.ratios(part, 2, 5)
    assert first.cells.sum(1).tolist() == (ratios[0] * 36).astype(int).tolist()
    assert second.cells[:5].sum(1).tolist() == (ratios[1] * 16).astype(int).tolist()
    torch.testing.assert_close(first.weights.sum() + second.weights.sum(), torch.tensor(1.0))


def test_nothing_is_masked_before_the_start_epoch():
    masking = PatchMasking(start_epoch=2)
    masked = [
        masks_of_groups(masking, Clock(step, 5), BatchPart(KEY), 8, [(2, 2, (8, 8))])[0].cells.any()
        for step in (0, 9, 10)
    ]
    assert masked == [False, False, True]


@pytest.mark.parametrize(
    ('options', 'says'),
    [
        ({'share': 1.5}, r'masking\.share is 1\.5'),
        ({'ratio': (0.5, 0.1)}, r'masking\.ratio'),
        ({'ratio': (0.1,)}, r'masking\.ratio'),
        ({'shape': 'blob'}, r"masking\.shape is 'blob'"),
        ({'aspect': 0}, r'masking\.aspect'),
        ({'min_cells': 0}, r'masking\.min_cells'),
    ],
)
def test_refuses(options, says):
    with pytest.raises(ValueError, match=says):
        PatchMasking(**options)
