import pytest

from dinomm.datasets.inspection import fault_of, inspect
from dinomm.datasets.transforms import BrokenImageError
from tests.datasets import picture_kinds

SMALL = 'very small (a side below 32 pixels)'
LARGE = 'very large (over 50 megapixels, or 10,000 pixels long)'
TRAITS = {
    'cmyk.jpg': ('CMYK',),
    'cmyk.tif': ('CMYK',),
    '16_bits.png': ('16-bit',),
    '16_bits.tif': ('16-bit',),
    picture_kinds.RGB_BITS_16: ('16-bit',),
    'palette.png': ('palette',),
    'palette.gif': ('palette',),
    'animated.gif': ('palette', 'animated'),
    'palette_half.png': ('palette', 'transparent'),
    'alpha.png': ('transparent',),
    'gray_alpha.png': ('transparent',),
    'orientation_1.png': (),
    **{f'orientation_{number}.png': ('turned by EXIF',) for number in range(2, 9)},
    'one_pixel_wide.png': (SMALL,),
    '20000_pixels.jpg': (SMALL, LARGE),
    'animated.webp': ('animated',),
    'animated.png': ('animated',),
    'pages.tiff': ('animated',),
    'of_a_phone.jpg': (),
    'progressive.jpeg': (),
    '1_bit.png': (),
}
UNUSUAL = {name: content for name, content, *_ in picture_kinds.unusual(0)}


@pytest.mark.parametrize('name', TRAITS)
def test_what_is_unusual(name):
    finding = inspect(name, UNUSUAL[name])
    assert finding == ('', '', TRAITS[name])


@pytest.mark.parametrize(('fault', 'name', 'content'), list(picture_kinds.broken(0)))
def test_kinds_of_faults(fault, name, content):
    finding = inspect(name, content)
    assert finding.fault == fault
    assert finding.reason and name not in finding.reason and not finding.traits


def test_what_is_no_file(tmp_path):
    picture_kinds.write_beside_files(tmp_path)
    (tmp_path / 'folder.png').mkdir()
    kinds = {name: inspect(str(tmp_path / name)).fault for name in ('link.png', 'pipe.jpg')}
    assert kinds == {'link.png': 'missing', 'pipe.jpg': 'cannot be opened'}
    assert inspect(str(tmp_path / 'folder.png')).fault == 'cannot be opened'


def test_faults_of_the_storage():
    assert (
        fault_of(BrokenImageError('cannot read a: the shard ends inside it')).fault == 'truncated'
    )
    assert (
        fault_of(BrokenImageError('cannot read http://a/b: it does not exist')).fault == 'missing'
    )
