"""dinomm's registries: children of mmpretrain's, scope ``dinomm``.

With ``default_scope = 'dinomm'`` a config finds dinomm's, mmpretrain's and mmengine's types by
their bare names. mmdet finds ``dinomm.X`` because each registry is also added to mmengine's root:
a registry looks a foreign scope up among the root's direct children only.
"""

from importlib import import_module

from mmengine.registry import Registry
from mmpretrain import registry as mmpretrain

from .language_models import leave_out_language_models

leave_out_language_models()

LOCATIONS = ['dinomm.models', 'dinomm.datasets', 'dinomm.engine', 'dinomm.evaluation']


class _Registry(Registry):
    """Finds the parent's types by their bare names even if nobody has imported them yet."""

    def get(self, key: str):
        found = super().get(key)
        if found is None and self.parent is not None:
            self.parent.import_from_location()
            found = super().get(key)
        return found


def _child(parent: Registry) -> Registry:
    registry = _Registry(parent.name, parent=parent, scope='dinomm', locations=LOCATIONS)
    root = parent.parent
    assert root is not None
    # Private, and without a public twin: tested in a fresh process by tests/test_registry.py.
    root._add_child(registry)
    return registry


DATASETS = _child(mmpretrain.DATASETS)
DATA_SAMPLERS = _child(mmpretrain.DATA_SAMPLERS)
TRANSFORMS = _child(mmpretrain.TRANSFORMS)
MODELS = _child(mmpretrain.MODELS)
HOOKS = _child(mmpretrain.HOOKS)
LOOPS = _child(mmpretrain.LOOPS)
METRICS = _child(mmpretrain.METRICS)
OPTIMIZERS = _child(mmpretrain.OPTIMIZERS)
OPTIM_WRAPPERS = _child(mmpretrain.OPTIM_WRAPPERS)
OPTIM_WRAPPER_CONSTRUCTORS = _child(mmpretrain.OPTIM_WRAPPER_CONSTRUCTORS)
PARAM_SCHEDULERS = _child(mmpretrain.PARAM_SCHEDULERS)
VISUALIZERS = _child(mmpretrain.VISUALIZERS)
VISBACKENDS = _child(mmpretrain.VISBACKENDS)

# Whoever builds from these registries also loads weights without executing them.
import_module('dinomm.checkpoints')
