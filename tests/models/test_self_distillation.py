import math

import pytest
import torch
from torch import nn

from dinomm.engine.hooks.teacher_ema_hook import copy_as_teacher
from dinomm.registry import MODELS


@pytest.fixture
def build(tiny_model):
    def with_teacher(teacher=True, **options):
        model = MODELS.build(tiny_model(**options))
        model.init_weights()
        if teacher:
            model.attach_teacher(copy_as_teacher(model))
        return model

    return with_teacher


def run(model, batch, mode='loss'):
    return model(**model.data_preprocessor(batch, True), mode=mode)


def test_loss_is_that_of_the_head_on_all_views(build, batch):
    model, data = build(), batch(3)
    nn.init.normal_(model.teacher.backbone.cls_token)
    losses = run(model, data)
    assert set(losses) == {'loss_view'}
    groups = model.data_preprocessor(data)['inputs']
    globals_, locals_ = (model.backbone(group.images)[-1][:, 0] for group in groups)
    head = model.heads['view']
    student = nn.functional.normalize(head.projector(torch.cat([globals_, locals_])), dim=-1)
    teacher_head = model.teacher.heads['view']
    teacher = model.teacher.backbone(groups[0].images)[-1][:, 0]
    teacher = nn.functional.normalize(teacher_head.projector(teacher), dim=-1)
    log_p = (head.prototypes(student) / 0.1).log_softmax(-1).unflatten(0, (4, 3))
    targets = (teacher_head.prototypes(teacher) / 0.04).softmax(-1).unflatten(0, (2, 3))
    pairs = [(q, v) for q in range(2) for v in range(4) if q != v]
    expected = -sum((targets[q] * log_p[v]).sum(-1).mean() for q, v in pairs) / len(pairs)
    torch.testing.assert_close(losses['loss_view'], expected)


def test_every_trainable_parameter_learns_and_the_teacher_does_not(build, batch):
    model = build()
    run(model, batch(3))['loss_view'].backward()
    for name, parameter in model.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad, name
    assert all(parameter.grad is None for parameter in model.teacher.parameters())


def test_several_heads_each_give_a_loss(build, batch, tiny_model):
    head = tiny_model()['heads']['view']
    model = build(heads={'a': head, 'b': {**head, 'loss_weight': 2.0}})
    losses = run(model, batch(2))
    assert set(losses) == {'loss_a', 'loss_b'}
    total, logged = model.parse_losses(losses)
    torch.testing.assert_close(total, losses['loss_a'] + losses['loss_b'])
    assert set(logged) == {'loss', 'loss_a', 'loss_b'}


VIT = {'embed_dims': 24, 'num_layers': 1, 'num_heads': 2, 'feedforward_channels': 24}
SWIN = {'embed_dims': 12, 'depths': [1, 1], 'num_heads': [1, 1]}
WITH_REGIONS = {
    'ViT': ({'type': 'VisionTransformer', 'arch': VIT, 'patch_size': 8, 'out_type': 'raw'}, 24),
    'Swin': (
        {
            'type': 'SwinTransformer',
            'arch': SWIN,
            'out_indices': (1,),
            'pad_small_map': True,
            'patch_size': 2,
        },
        24,
    ),
    'ResNet': ({'type': 'ResNet', 'depth': 18}, 512),
    'timm': ({'type': 'TIMMBackbone', 'model_name': 'resnet10t'}, 512),
}


@pytest.mark.parametrize('family', WITH_REGIONS)
def test_region_and_view_heads_on_every_family(build, tiny_model, family):
    """Views of three sizes, not square; every parameter learns."""
    backbone, width = WITH_REGIONS[family]
    view = {**tiny_model()['heads']['view'], 'in_channels': width}
    heads = {'view': view, 'region': {**view, 'type': 'RegionMatchingHead'}}
    model = build(backbone=backbone, heads=heads)
    sizes = [(64, 32)] * 2 + [(32, 32)] * 2 + [(32, 64)]
    data = {'inputs': [torch.randint(256, (2, 3, *size)) for size in sizes], 'data_samples': None}
    losses = run(model, data)
    assert set(losses) == {'loss_view', 'loss_region'}
    for loss in losses.values():
        assert math.isfinite(loss) and loss > 0.5 * math.log(20)
    losses['loss_region'].backward()
    assert all(p.grad is not None for p in model.heads['region'].projector.parameters())
    assert all(p.grad is not None for p in model.backbone.parameters() if p.requires_grad)
    model.finish_step(performed=True)
    assert model.heads['region'].centering.center.any()


def test_a_model_without_teacher_names_the_hook(build, batch):
    model = build(teacher=False)
    with pytest.raises(RuntimeError, match='TeacherEMAHook'):
        run(model, batch(2))
    assert model.evaluated() is model


def test_teacher_is_not_registered(build):
    alone, model = build(teacher=False), build()
    assert set(model.state_dict()) == set(alone.state_dict())
    assert len(list(model.parameters())) == len(list(alone.parameters()))
    assert len(list(model.modules())) == len(list(alone.modules()))
    assert model.evaluated() is model.teacher


def test_wrong_head_width_is_an_error_when_built(build):
    with pytest.raises(ValueError, match=r'model\.heads\.view\.in_channels=12'):
        build(head={'in_channels': 16})


def test_no_heads_is_an_error(build):
    with pytest.raises(ValueError, match=r'model\.heads is empty'):
        build(heads={})


def test_no_global_view_is_an_error(build):
    with pytest.raises(ValueError, match=r'model\.num_global_views is 0'):
        build(num_global_views=0)


def test_too_few_views_are_an_error(build, batch):
    model = build(num_global_views=5)
    with pytest.raises(ValueError, match=r'give 4 views, model\.num_global_views is 5'):
        run(model, batch(2))


def test_teacher_sees_the_global_views_alone(build, batch):
    model, data = build(), batch(2)
    data['inputs'] = [data['inputs'][0]] * 4  # globals and locals of one size: one group
    data['inputs'][2:] = [view.flip(-1) for view in data['inputs'][2:]]
    seen = []
    model.teacher.backbone.register_forward_pre_hook(lambda _module, args: seen.append(args[0]))
    groups = model.data_preprocessor(data)['inputs']
    assert [group.num_views for group in groups] == [4]
    loss = model(groups, mode='loss')['loss_view']
    assert torch.equal(torch.cat(seen), groups[0].images[:4])
    assert math.isfinite(float(loss))


def test_one_global_view_is_enough_for_a_teacher(build, batch):
    model = build(num_global_views=1)
    assert math.isfinite(float(run(model, batch(2))['loss_view'].detach()))


def test_centre_moves_with_finish_step_alone(build, batch):
    model = build()
    centering = model.heads['view'].centering
    run(model, batch(2))
    assert not centering.center.any()
    model.finish_step(performed=False)
    assert not centering.center.any()
    run(model, batch(2))
    model.finish_step(performed=True)
    assert centering.center.any()
    assert not model.teacher.heads['view'].centering.center.any()


def test_view_features_are_the_teachers_in_eval_mode(build, batch):
    model = build()
    nn.init.normal_(model.teacher.backbone.pos_embed)
    backbone = model.teacher.backbone
    for layer in backbone.layers:  # would be random in training mode
        layer.attn.out_drop.drop_prob = 0.5
    backbone.layers[0].train(False)  # a frozen part
    data = {'inputs': batch(3)['inputs'][:1], 'data_samples': None}
    modes = {name: module.training for name, module in model.teacher.named_modules()}
    assert len(set(modes.values())) == 2
    features = model.extract_view_features(data)
    assert {n: m.training for n, m in model.teacher.named_modules()} == modes
    assert not features.requires_grad and features.dtype == torch.float32
    images = model.data_preprocessor(data)['inputs'][0].images
    nn.Module.train(model.teacher, False)
    torch.testing.assert_close(features, backbone(images)[-1][:, 0])
    student_mode = model.training
    assert student_mode and all(parameter.grad is None for parameter in model.parameters())


def test_modes_are_restored_after_an_error(build, batch):
    model = build()

    def fail(*_):
        raise MemoryError

    model.teacher.backbone.register_forward_pre_hook(fail)
    with pytest.raises(MemoryError):
        model.extract_view_features(batch(2))
    assert all(module.training for module in model.teacher.modules())


def test_view_features_without_a_teacher_are_the_models(build, batch):
    model = build(teacher=False)
    data = {'inputs': batch(2)['inputs'][:1], 'data_samples': None}
    expected = run(model, data, mode='tensor')[0].view
    torch.testing.assert_close(model.extract_view_features(data), expected)


@pytest.mark.parametrize(
    'compiled',
    [
        False,
        pytest.param({'backend': 'eager'}, marks=pytest.mark.slow),
        pytest.param({'backend': 'aot_eager'}, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_teacher_runs_its_own_weights_compiled_or_not(build, tiny_model, batch, compiled):
    backbone = tiny_model()['backbone']
    backbone['arch']['num_layers'] = 1
    model, data = build(backbone=backbone, compile_backbone=compiled), batch(2)
    keys = set(model.state_dict())
    model.compile_networks()
    assert set(model.state_dict()) == keys
    storages = [
        {tensor.untyped_storage().data_ptr() for tensor in network.state_dict().values()}
        for network in (model, model.teacher)
    ]
    assert not storages[0] & storages[1]
    images = model.data_preprocessor(data)['inputs']

    def outputs():
        with torch.no_grad():
            return [network.extract_feat(images)[0].view for network in (model, model.teacher)]

    student, teacher = outputs()
    torch.testing.assert_close(student, teacher)
    reference = model.teacher.backbone.forward(images[0].images)[-1][:, 0]
    torch.testing.assert_close(teacher, reference)
    with torch.no_grad():
        for parameter in model.teacher.parameters():
            parameter.zero_()
    kept, zeroed = outputs()
    assert not zeroed.any()
    assert torch.equal(kept, student)
    if compiled:
        for network in (model, model.teacher):
            assert network.backbone._compiled_call_impl is not None
