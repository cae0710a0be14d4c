"""Puts the report together: each section, or one sentence why it could not be made."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from dinomm.visualization.files import replaced_when_whole

from . import summary
from .html import Html, join, tag
from .page import Section, missing, page
from .work_dir import Run, read_run

if TYPE_CHECKING:
    from dinomm.evaluation.verdict import Verdict

    from .materials import Materials

IMAGES = 4
MAX_IMAGES = 32
"""More would make pictures too tall for a file of a few MB."""
WORDS = {'good': 'Good', 'watch': 'Watch', 'bad': 'Bad', 'unknown': 'Cannot say'}
Result = TypeVar('Result')


def write_report(
    work_dir: str | Path,
    out: str | Path | None = None,
    data: str | None = None,
    images: int = IMAGES,
    now: datetime | None = None,
) -> tuple[Path, list[str]]:
    """Writes one HTML file that holds all it shows.

    Args:
        work_dir: Of a run of ``tools/train.py``: finished, going or dead.
        out: File to write; ``work_dir/report.html`` by default.
        data: Folder of images in place of the run's.
        images: How many are shown, 1 to 32.
        now: The date that the report states.

    Returns:
        The file, and the headings of the sections that could not be made.

    Raises:
        ValueError: ``work_dir`` holds no run, ``images`` is out of range, or there is
            nothing at ``data``.
    """
    if not 1 <= images <= MAX_IMAGES:
        raise ValueError(f'--images is {images}: expected a number from 1 to {MAX_IMAGES}')
    if data is not None and not Path(data).expanduser().exists():
        raise ValueError(f'--data {data} does not exist: expected a folder of images')
    run = read_run(work_dir)
    path = Path(out).expanduser() if out is not None else run.folder / 'report.html'
    if path.is_dir():
        raise ValueError(f'--out {path} is a folder: expected a file to write')
    from .materials import Materials

    with Materials(run, data, images) as materials:
        sections = make_sections(materials)
        lead = introduction(materials, now or datetime.now())
    with replaced_when_whole(path) as file:
        file.write_text(page(run.name, lead, [s for s, _ in sections]), encoding='utf-8')
    return path, [section.title for section, made in sections if not made]


def make_sections(materials: 'Materials') -> list[tuple[Section, bool]]:
    """All sections, and whether each was made."""
    from . import curves, pictures

    run = materials.run
    uniform = attempt(lambda: curves.uniform_outputs(run.config['model'])) or {}
    at_uniform = {head: value.loss for head, value in uniform.items()}
    makers: list[tuple[str, str, Callable[[], Html]]] = [
        ('training', 'What was trained', lambda: training(materials)),
        ('health', 'Health', lambda: verdicts(judged(run, at_uniform))),
        ('curves', 'Curves', lambda: curves.losses(run.scalars, uniform)),
        ('knn', 'k-NN over time', lambda: curves.knn(run.scalars)),
        ('crops', 'Crops', lambda: pictures.crops(materials)),
        ('attention', 'Attention', lambda: pictures.attention(materials)),
        ('pca', 'PCA of patch features', lambda: pictures.pca(materials)),
        ('neighbours', 'Neighbours', lambda: pictures.neighbours(materials)),
        ('correspondence', 'Correspondence', lambda: pictures.correspondence(materials)),
        ('cost', 'Cost', lambda: summary.cost(run)),
        ('commands', 'Reproduce', lambda: summary.commands(run)),
        ('versions', 'Versions and machine', lambda: summary.versions(run)),
    ]
    return [make_section(*maker) for maker in makers]


def judged(run: Run, at_uniform: dict[str, float]) -> list['Verdict']:
    """By the logged scalars; what the run measured itself takes the place of guesses by losses."""
    from dinomm.evaluation.health import judge
    from dinomm.evaluation.verdict import read_verdicts

    by_subject = {verdict.subject: verdict for verdict in judge(run.scalars, at_uniform, run.done)}
    own = read_verdicts(run.folder / 'health.json')
    by_subject |= {v.subject: v for v in own if v.subject != 'k-NN' and v.state != 'unknown'}
    return list(by_subject.values())


def make_section(id_: str, title: str, make: Callable[[], Html]) -> tuple[Section, bool]:
    """A section, or why it could not be made: no fault of one part takes the report away."""
    try:
        return Section(id_, title, make()), True
    except Exception as error:
        return Section(id_, title, missing(sentence(error))), False


def attempt(make: Callable[[], Result]) -> Result | None:
    """The result, None where it cannot be had."""
    try:
        return make()
    except Exception:
        return None


def sentence(error: Exception) -> str:
    """An error for a reader."""
    text = ' '.join(str(error).split())[:500]
    known = isinstance(error, ValueError | OSError) and text
    return text.rstrip('.') + '.' if known else f'{type(error).__name__}: {text}'


def introduction(materials: 'Materials', now: datetime) -> Html:
    """How far the run is, which weights are shown, and when this was written."""
    run = materials.run
    checkpoint = attempt(lambda: materials.checkpoint.name)
    shown = f'Pictures: the teacher of {checkpoint}.' if checkpoint else 'No weights could be read.'
    return join(
        tag('p', tag('strong', summary.state(run, now)), ' ', shown),
        tag('p', f'{run.folder} · report of {now:%Y-%m-%d %H:%M}', class_='faint'),
    )


def training(materials: 'Materials') -> Html:
    """What was trained, and the whole config folded."""
    run = materials.run
    model = attempt(lambda: materials.model)
    parts = {} if model is None else {'backbone': model.backbone, **dict(model.heads.items())}
    parameters = {name: sum(p.numel() for p in part.parameters()) for name, part in parts.items()}
    images = attempt(lambda: len(materials.training_images))
    whole = tag(
        'details',
        tag('summary', 'The whole config'),
        tag('pre', tag('code', run.config_file.read_text(encoding='utf-8'))),
    )
    return join(summary.overview(run, parameters, images), whole)


def verdicts(found: list['Verdict']) -> Html:
    """A list, a word and a sentence each."""
    items = [
        tag(
            'li',
            tag('span', WORDS[verdict.state], class_='badge'),
            tag('strong', verdict.subject),
            tag('p', verdict.text),
            class_=verdict.state,
        )
        for verdict in found
    ]
    return tag('ul', *items, class_='verdicts')
