"""What mmengine's ``init_cfg`` says."""

from mmengine.model import PretrainedInit


def loads_weights(init_cfg: dict | list[dict] | None) -> bool:
    """Whether an ``init_cfg`` names a file of weights, which no initialisation may overwrite."""
    configs = [init_cfg] if isinstance(init_cfg, dict) else init_cfg or []
    return any(config['type'] in ('Pretrained', PretrainedInit) for config in configs)
