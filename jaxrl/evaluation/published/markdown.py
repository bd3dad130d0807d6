"""Published numbers beside ours as Markdown: the end of a leaderboard."""

from collections.abc import Iterable, Mapping

from jaxrl.evaluation.published.comparison import Cited, Compared, Ours, compared
from jaxrl.evaluation.published.files import FOLDER, SOURCES
from jaxrl.evaluation.scores import Score

HEADING = "Published scores beside ours (other data, for orientation only)"
RETURNS = "Published returns of the same tasks"
WARNING = (
    "**Different data:** the published scores are of D4RL's sets, ours of other sets that bear a similar name. The two "
    "are never averaged or ranked together, and a difference says little about the implementation: the numbers under "
    "*what differs* name what is known to be different."
)
READING = (
    "Normalized score, on D4RL's scale unless another one is named. Published: by the algorithm's own authors. "
    "Re-runs: by others. Both ± standard deviation over seeds, which holds evaluation noise too; episodes stand in the "
    "list of sources. Ours: mean ± standard error over seeds at the last checkpoint. Difference: ours less the "
    "published mean, else less CORL's; – where neither is to be trusted, or the scales differ. Band: from the lowest "
    f"to the highest mean, each widened by its standard deviation ({FOLDER}/*.csv)."
)


def section(scores: Iterable[Score]) -> str:
    """Markdown of what stands beside the rows' cells, datasets and environments apart; "" where there is nothing."""
    found = compared(scores)
    data = [one for one in found if one.dataset != one.task]
    online = [one for one in found if one.dataset == one.task]
    return (_scores(data) if data else "") + (_returns(online) if online else "")


def remarks(scores: Iterable[Score]) -> list[str]:
    """A note on where the published scores stand, none where no cell of the rows has one."""
    cells = {(one.card, one.task) for one in compared(scores) if one.dataset != one.task}
    if not cells:
        return []
    return [
        f"Published D4RL scores stand beside ours at the end of leaderboard.md ({len(cells)} of these cells have one); "
        "they are of different data, and no mean or ranking here holds them."
    ]


def _scores(found: list[Compared]) -> str:
    """The table of datasets; remarks are listed under it once and named by number."""
    texts = dict.fromkeys(text for one in found for text in (*one.marks, *map(_caution, _numbers(one))) if text)
    places = {text: str(place) for place, text in enumerate(texts, start=1)}
    sources = {number.source for one in found for number in _numbers(one)}
    lines = [
        f"\n## {HEADING}\n",
        f"{WARNING}\n",
        f"{READING}\n",
        "| card | our data | published data | published | re-runs | ours | difference | band | what differs |",
        "|:-----|:---------|:---------------|----------:|:--------|-----:|-----------:|-----:|:-------------|",
        *(_line(one, places) for one in found),
        "",
        *(f"{place}. {text}" for text, place in places.items()),
        "",
        *(f"- {name}: {SOURCES[name]}" for name in SOURCES if name in sources),
    ]
    return "\n".join(lines) + "\n"


def _line(one: Compared, places: Mapping[str, str]) -> str:
    published = _cited(one.published, places) if one.published else "–"
    reruns = "; ".join(_cited(number, places) for number in one.reruns) or "–"
    band = f"{one.band[0]} … {one.band[1]}" if one.band else "–"
    marks = ", ".join(sorted((places[text] for text in one.marks), key=int))
    name, difference = f"{one.card} {one.settings}".strip(), _difference(one)
    cells = (name, one.task, one.dataset, published, reruns, _ours(one.ours), difference, band, marks)
    return f"| {' | '.join(cells)} |"


def _numbers(one: Compared) -> tuple[Cited, ...]:
    """All numbers of others in a record, the published one first."""
    return (one.published, *one.reruns) if one.published else one.reruns


def _caution(number: Cited) -> str:
    return f"{number.source}: {number.caution}" if number.caution else ""


def _cited(number: Cited, places: Mapping[str, str]) -> str:
    """Source, mean and standard deviation, with the number of its caution in brackets."""
    spread = "" if number.std is None else f" ± {number.std:.1f}"
    caution = f" [{places[_caution(number)]}]" if number.caution else ""
    return f"{number.source} {number.mean:.1f}{spread}{caution}"


def _returns(found: list[Compared]) -> str:
    """The table of environments, one line a published return; what differs stands in the line."""
    lines = [
        f"\n## {RETURNS}\n",
        f"Returns as others report them ({FOLDER}/online.csv), ± their spread; budgets, tuning and the way of "
        "measuring differ, as said. Ours: mean ± standard error over seeds of the last checkpoint's deterministic "
        "episodes.\n",
        "| task | card | published | by | ours | difference | what differs |",
        "|:-----|:-----|----------:|:---|-----:|-----------:|:-------------|",
    ]
    for one in found:
        for number in _numbers(one):
            said = f"{number.mean:g}" + (f" ± {number.std:g}" if number.std is not None else "")
            name, marks = f"{one.card} {one.settings}".strip(), "; ".join(one.marks)
            cells = (one.task, name, said, number.source, _ours(one.ours), _difference(one), marks)
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _ours(ours: Ours) -> str:
    """Mean, error and number of seeds; the scale where it is not the table's."""
    error = "" if ours.error is None else f" ± {ours.error:.1f}"
    unit = f", {ours.convention}" if ours.convention not in ("d4rl", "return") else ""
    return f"{ours.mean:.1f}{error} ({ours.seeds} seed{'s' * (ours.seeds > 1)}{unit})"


def _difference(one: Compared) -> str:
    return "–" if one.difference is None else f"{one.difference:+.1f}"
