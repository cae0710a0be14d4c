"""mmpretrain's language models, which are of transformers 4, left out where a newer one is."""

from importlib.metadata import PackageNotFoundError, version


def leave_out_language_models() -> None:
    """Lets mmpretrain's models, and so mmdet's, be imported beside transformers 5 or newer.

    mmpretrain believes that it can serve any newer version; its import then fails.
    """
    try:
        newer = int(version('transformers').partition('.')[0]) >= 5
    except PackageNotFoundError:
        return
    if newer:
        from mmpretrain.utils import dependency

        dependency.WITH_MULTIMODAL = False
