import pytest

from dinomm.detection.coco_file import find_image_folder, find_json, read_coco

from . import coco

LAYOUTS = [
    ('train.json', 'train'),
    ('train.json', 'images'),
    ('train.json', ''),
    ('annotations/train.json', 'images'),
    ('annotations/instances_train2017.json', 'train2017'),
    ('annotations/instances_train.json', 'images/train'),
    ('train/_annotations.coco.json', 'train'),
]


@pytest.mark.parametrize(('name', 'images'), LAYOUTS)
def test_usual_layouts_are_found(tmp_path, name, images):
    path = coco.write(tmp_path / name, coco.content(), tmp_path / images)
    assert find_json(tmp_path, 'train') == path
    assert find_json(tmp_path, 'val') is None
    assert find_image_folder(read_coco(path), tmp_path) == tmp_path / images


def test_valid_is_validation(tmp_path):
    path = coco.write(tmp_path / 'valid/_annotations.coco.json', coco.content())
    assert find_json(tmp_path, 'val') == path


def test_file_names_with_folders_in_them(tmp_path):
    content = coco.content()
    coco.write(tmp_path / 'x.json', content, tmp_path / 'pictures/train')
    for image in content['images']:
        image['file_name'] = f'pictures/train/{image["file_name"]}'
    file = read_coco(coco.write(tmp_path / 'train.json', content))
    assert find_image_folder(file, tmp_path) == tmp_path


def test_the_folder_that_has_most_images_is_taken(tmp_path):
    path = coco.write(tmp_path / 'train.json', coco.content(3), tmp_path / 'images')
    (tmp_path / '1.png').write_bytes(b'')
    assert find_image_folder(read_coco(path), tmp_path) == tmp_path / 'images'


def test_no_folder_has_an_image(tmp_path):
    assert (
        find_image_folder(read_coco(coco.write(tmp_path / 'a.json', coco.content())), tmp_path)
        is None
    )


def test_several_files_to_choose_from_are_named(tmp_path):
    for year in ('2014', '2017'):
        coco.write(tmp_path / f'annotations/instances_train{year}.json', coco.content())
    with pytest.raises(ValueError, match=r'train2014.json, .*train2017.json.*coco_data.train'):
        find_json(tmp_path, 'train')
