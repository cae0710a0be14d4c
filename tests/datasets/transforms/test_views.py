import pytest

from dinomm.datasets.transforms.views import Blur, Jitter, Solarize, View, parse_view


def test_what_is_left_out_is_off():
    view = parse_view({'size': 32, 'scale': [0.4, 1]}, 'views[0]')
    assert view == View(32, (0.4, 1.0), 1, 0, None, 0, None, None)


def test_everything_given():
    config = dict(
        size=224,
        scale=(0.4, 1.0),
        num=2,
        flip=0.5,
        jitter=dict(prob=0.8, brightness=0.4, contrast=0.3, saturation=0.2, hue=0.1),
        gray=0.2,
        blur=dict(prob=0.3, radius=(0.1, 2.0)),
        solarize=dict(prob=0.2, threshold=100),
    )
    assert parse_view(config, 'views[0]') == View(
        224,
        (0.4, 1.0),
        2,
        0.5,
        Jitter(0.8, 0.4, 0.3, 0.2, 0.1),
        0.2,
        Blur(0.3, (0.1, 2.0)),
        Solarize(0.2, 100),
    )


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'scal': 1}, r"views\[3\]\.scal is not known; did you mean 'scale'\?"),
        ({'zoom': 1}, r"views\[3\]\.zoom is not known; known are \['blur', 'flip'"),
        ({'jitter': {'hu': 0.1}}, r"views\[3\]\.jitter\.hu is not known; did you mean 'hue'\?"),
        ({'size': 0}, r'views\[3\]\.size must be a whole number from 1 to inf, but is 0'),
        ({'size': 22.5}, r'views\[3\]\.size must be a whole'),
        ({'size': None}, r'views\[3\]\.size is missing'),
        ({'scale': (0.4, 1.2)}, r'views\[3\]\.scale must be two ascending numbers above 0 to 1'),
        ({'scale': (0.0, 1.0)}, r'views\[3\]\.scale'),
        ({'scale': (0.5, 0.4)}, r'views\[3\]\.scale'),
        ({'scale': 0.5}, r'views\[3\]\.scale'),
        ({'num': 0}, r'views\[3\]\.num'),
        ({'flip': 1.1}, r'views\[3\]\.flip must be a number from 0 to 1, but is 1.1'),
        ({'gray': -0.1}, r'views\[3\]\.gray'),
        ({'gray': '0.1'}, r'views\[3\]\.gray'),
        ({'jitter': 0.4}, r'views\[3\]\.jitter must be a dict'),
        ({'jitter': {'prob': 2}}, r'views\[3\]\.jitter\.prob'),
        ({'jitter': {'hue': 0.6}}, r'views\[3\]\.jitter\.hue must be a number from 0 to 0\.5'),
        ({'jitter': {'brightness': float('nan')}}, r'views\[3\]\.jitter\.brightness'),
        ({'blur': {'radius': (-1, 2)}}, r'views\[3\]\.blur\.radius'),
        ({'blur': {'prob': True}}, r'views\[3\]\.blur\.prob'),
        ({'solarize': {'threshold': 300}}, r'views\[3\]\.solarize\.threshold'),
    ],
)
def test_errors_name_the_key(change, message):
    with pytest.raises(ValueError, match=message):
        parse_view({'size': 32, 'scale': (0.4, 1.0), **change}, 'views[3]')
