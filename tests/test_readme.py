import re
from pathlib import Path

from dinomm import launch
from dinomm.config_check import check_config

ROOT = Path(__file__).resolve().parents[1]


def test_the_variant_in_the_readme(tmp_path):
    (code,) = re.findall(r'```python\n(.*?)```', (ROOT / 'README.md').read_text(), re.DOTALL)
    file = tmp_path / 'my_config.py'
    file.write_text(code.replace("'configs/", f"'{ROOT.as_posix()}/configs/"))
    config = launch.read_config(str(file))
    check_config(config)
    views = config.train_dataloader.dataset.pipeline[1].views
    assert [tuple(view.scale) for view in views] == [(0.25, 1.0), (0.25, 1.0), (0.05, 0.4)]
    assert config.train_cfg.max_epochs == 300
    assert config.model.heads.view.teacher_temp.end == 0.07
