"""The page as text: what it says, that it is whole and accessible in its structure, and that no text becomes code."""

import json
from html.parser import HTMLParser
from typing import NamedTuple

import pytest

from jaxrl import report, store
from jaxrl.evaluation import scores
from jaxrl.report import boards, facts, reproduce, themes
from jaxrl.report.markup import Html, data_block, element
from tests.evaluation.sample import row
from tests.report import sample

pytest.importorskip("altair", reason="the page needs Altair: pip install 'jaxrl-suite[report]'")
pytest.importorskip("vl_convert", reason="the page needs vl-convert: pip install 'jaxrl-suite[report]'")
VOID = {"meta", "input", "br"}


class Node(NamedTuple):
    """An element with its attributes, the names of those around it, and its text."""

    name: str
    attributes: dict[str, str | None]
    around: tuple[int, ...]
    words: list[str]


class Tree(HTMLParser):
    """All elements of a page in order; complains about what is closed wrongly."""

    def __init__(self, text: str):
        super().__init__(convert_charrefs=True)
        self.nodes: list[Node] = []
        self.open: list[int] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.nodes.append(Node(tag, dict(attrs), tuple(self.open), []))
        if tag not in VOID:
            self.open.append(len(self.nodes) - 1)

    def handle_endtag(self, tag):
        assert self.nodes[self.open[-1]].name == tag
        self.open.pop()

    def handle_data(self, data):
        for place in self.open:
            self.nodes[place].words.append(data)

    def all(self, name: str) -> list[Node]:
        return [node for node in self.nodes if node.name == name]

    def text(self, node: Node) -> str:
        return "".join(node.words)

    def inside(self, node: Node, name: str) -> list[Node]:
        place = self.nodes.index(node)
        return [one for one in self.nodes if one.name == name and place in one.around]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(text of the page, its elements) of the sample's folder."""
    folder = sample.write(tmp_path_factory.mktemp("results"))
    (file,), complaints = report.write(folder)
    assert file == folder / "report.html" and not complaints
    text = file.read_text(encoding="utf-8")
    return text, Tree(text)


@pytest.fixture(scope="module")
def first():
    """Facts of the sample's first suite."""
    rows = tuple(sample.rows())
    board = boards.Board("first", "first", None, "", rows, tuple(range(2, len(rows) + 2)))
    return facts.gathered(facts.key(), board)


def test_structure_is_accessible(made):
    _, tree = made
    assert len(tree.all("h1")) == 1 and tree.all("html")[0].attributes["lang"] == "en"
    assert {"main", "nav", "header", "footer", "form"} <= {node.name for node in tree.nodes}
    names = [node.attributes["id"] for node in tree.nodes if "id" in node.attributes]
    assert len(names) == len(set(names))
    for node in tree.nodes:
        for pointer in ("aria-labelledby", "for"):
            assert node.attributes.get(pointer) in (None, *names)
        if node.name == "a" and node.attributes["href"].startswith("#"):
            assert node.attributes["href"][1:] in names
    skip = tree.all("a")[0]
    assert skip.attributes["href"] == "#results" and tree.all("main")[0].attributes["id"] == "results"
    for select in tree.all("select"):
        assert select.attributes["id"] in {label.attributes["for"] for label in tree.all("label")}
    (status,) = [node for node in tree.nodes if node.attributes.get("role") == "status"]
    assert status.attributes["aria-live"] == "polite"


def test_tables_have_captions_scopes_and_regions(made):
    _, tree = made
    tables = tree.all("table")
    assert len(tables) > 10
    for table in tables:
        assert tree.text(tree.inside(table, "caption")[0]).strip()
        heads = tree.inside(table, "th")
        assert all(head.attributes.get("scope") in ("col", "row") for head in heads)
        assert sum("aria-sort" in head.attributes for head in heads) == len(
            tree.inside(tree.inside(table, "thead")[0], "button")
        )
        region = tree.nodes[table.around[-1]].attributes
        assert (region["role"], region["tabindex"]) == ("region", "0") and region["aria-labelledby"]


def test_charts_have_text_alternatives(made):
    _, tree = made
    charts = [node for node in tree.all("div") if node.attributes.get("class") == "chart"]
    data = json.loads(tree.text(next(node for node in tree.all("script") if node.attributes.get("id") == "data")))
    assert {node.attributes["id"] for node in charts} == data["charts"].keys() and len(charts) >= 5
    for chart in charts:
        assert chart.attributes["role"] == "img" and len(chart.attributes["aria-label"]) > 30
        figure = tree.nodes[chart.around[-1]]
        assert figure.name == "figure" and tree.inside(figure, "table") and tree.inside(figure, "details")


def test_nothing_is_loaded_from_elsewhere(made):
    text, tree = made
    loaded = [
        node.attributes[name] for node in tree.nodes for name in ("src", "srcset", "data") if name in node.attributes
    ]
    assert not loaded and not tree.all("link") and "@import" not in text.split("<script")[0]
    for link in tree.all("a"):
        href = link.attributes["href"]
        assert href.startswith(("#", "https://arxiv.org/abs/", "https://doi.org/"))
    policy = next(node.attributes["content"] for node in tree.all("meta") if "http-equiv" in node.attributes)
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-inline" not in policy.split("style-src")[0] and "unsafe-eval" not in policy


def test_text_from_files_is_never_code(made):
    text, tree = made
    assert sample.HOSTILE not in text and sample.ENDING not in text
    assert not tree.all("img") and not [node for node in tree.nodes if "onerror" in node.attributes]
    scripts = tree.all("script")
    assert [node.attributes.get("type") for node in scripts] == ["application/json", None, None]
    assert any(sample.HOSTILE in tree.text(cell) for cell in tree.all("th"))
    assert any(sample.ENDING in tree.text(cell) for cell in tree.all("td"))
    data = json.loads(tree.text(scripts[0]))
    assert data["runs"][-1]["dataset"] == sample.ENDING and data["makings"][1]["commit"] == "'\"><b>"


@pytest.mark.parametrize("hostile", [sample.HOSTILE, sample.ENDING, "<!--<script>", "]]>", '" onclick="x'])
def test_markup_escapes(hostile):
    tree = Tree(element("p", hostile, title=hostile) + data_block("d", {hostile: hostile}))
    assert [node.name for node in tree.nodes] == ["p", "script"]
    assert tree.text(tree.nodes[0]) == tree.nodes[0].attributes["title"] == hostile
    assert json.loads(tree.text(tree.nodes[1])) == {hostile: hostile}
    assert element("p", Html("<b>")) == "<p><b></p>"


def test_leaderboard_is_that_of_the_tables(made):
    _, tree = made
    board = next(node for node in tree.all("table") if node.attributes.get("id") == "suite-1-board")
    body = [
        [tree.text(cell) for cell in tree.inside(line, "th") + tree.inside(line, "td")]
        for line in tree.inside(board, "tr")[1:]
    ]
    assert [line[0] for line in body] == ["td3_bcoffline", "iqloffline", "bcimitation"]
    assert [line[3] for line in body] == ["80.0 ± 0.6", "60.0 ± 0.6†", "40.0 ± 0.6"]
    assert (
        body[0][2].startswith("82.5 [") and board.attributes["class"] is None if "class" in board.attributes else True
    )
    heads = [tree.text(head) for head in tree.inside(tree.inside(board, "thead")[0], "th")]
    assert heads == ["card", "rank", "IQM [95 %]", "first", "second"]


def test_page_says_what_is_missing_and_how_runs_are_made(made):
    _, tree = made
    words = tree.text(tree.all("main")[0])
    assert "diverged (no longer finite) are left out of the numbers: iql on mine/first-v0 1 of 4" in words
    assert "no interval: one task only" in words and "Where a cell has one seed there is no standard error" in words
    assert "Episodes per evaluation" in words and "jax=0.10.2" in words and "cannot be measured" in words
    data = json.loads(tree.text(tree.all("script")[0]))
    assert [one["state"] for one in data["runs"]].count("diverged") == 1
    train = "jaxrl train td3_bc mine/first-v0 --seeds 1 --episodes 10 --updates 10 --evaluate-every 5"
    assert data["runs"][0]["command"] == train and data["runs"][0]["checkpoints"][1][:3] == [10, 0, 790.0]


def test_facts_against_hand_values(first):
    iqm = {one["name"]: one for one in first.aggregates if one["statistic"] == "IQM"}
    assert [iqm[name]["value"] for name in ("td3_bc", "iql", "bc")] == pytest.approx([82.5, 62.5, 42.5])
    board = dict(first.table.sections[0].rows)
    assert all(board[name][0].interval == pytest.approx((one["low"], one["high"])) for name, one in iqm.items())
    gap = {one["name"]: one["value"] for one in first.aggregates if one["statistic"] == "optimality gap"}
    assert gap == pytest.approx({"td3_bc": 17.5, "iql": 37.5, "bc": 57.5})
    pair = {(one["first"], one["second"]): one["probability"] for one in first.improvements}
    assert pair["td3_bc", "bc"] == 1.0 and pair["bc", "td3_bc"] == 0.0 and len(pair) == 6
    share = {one["level"]: one["share"] for one in first.profiles if one["name"] == "td3_bc"}
    assert share[min(share)] == pytest.approx(1.0) and share[max(share)] == 0.0
    near = min(share, key=lambda level: abs(level - 82.5))
    assert share[near] == pytest.approx(sum(v > near for v in (79, 80, 81, 84, 85, 86)) / 6)
    ends = [one for one in first.curves if one["name"] == "bc" and one["task"] == sample.TASKS[0]]
    assert [one["mean"] for one in ends] == [30.0, 40.0] and ends[1]["high"] - 40 == pytest.approx(4.302653 / 3**0.5)


def test_cards_are_compared_over_the_tasks_they_share():
    rows = [one for one in sample.rows() if (one.card, one.task) != ("bc", sample.TASKS[1])]
    board = boards.Board("first", "first", None, "", tuple(rows), tuple(range(2, len(rows) + 2)))
    found = facts.gathered(facts.key(), board)
    over = {one["name"]: one["over"] for one in found.aggregates}
    assert over == {"td3_bc": "over all 2 tasks", "iql": "over all 2 tasks", "bc": "over first"}
    assert {one["tasks"] for one in found.improvements if "bc" in (one["first"], one["second"])} == {1}
    assert found.reasons == (
        "bc: no interval: one task only, where resampling its runs is too narrow; see Student's t interval.",
    )


def test_mixed_cells_are_shown_and_left_out_of_comparisons():
    rows = [one._replace(episodes=20) if (one.card, one.seed) == ("bc", 0) else one for one in sample.rows()]
    board = boards.Board("first", "first", None, "", tuple(rows), tuple(range(2, len(rows) + 2)))
    found = facts.gathered(facts.key(), board)
    assert dict(found.table.sections[0].rows)["bc"][1].refused == "mixed"
    assert "bc" not in {one["name"] for one in (*found.aggregates, *found.curves, *found.profiles)}
    assert any("bc on mine/first-v0 is not averaged" in note for note in found.table.notes)


def test_today_s_suite_is_named_where_it_makes_the_same_run(monkeypatch):
    from jaxrl.evaluation.runs import Run, run_key

    made = lambda line: Run(run_key(line), (line,))
    line = row(card="bc", task="embedded/x-v0", settings="width=64", update=100, seed=2)
    monkeypatch.setattr(reproduce, "_jobs", lambda name: {("bc", "embedded/x-v0"): ("width=64", 100)})
    bench = "jaxrl bench quick --cards bc --tasks embedded/x-v0 --seeds 3 --episodes 10"
    assert reproduce.of_run(made(line)) == bench
    other = made(line._replace(settings="batch=32;width=32"))
    train = "jaxrl train bc embedded/x-v0 --seeds 3 --episodes 10 --updates 100 --set batch=32 --set width=32"
    assert reproduce.of_run(other) == train and not reproduce.as_today(other)


def test_facts_of_run_json_are_found_by_the_run_s_own_outcome(tmp_path):
    from jaxrl.report.runs_table import details
    from tests.test_store import write

    write(tmp_path, "bc-x-1", card="bc", task="a/x-v0", updates=[5, 10], seeds=[0, 1], returns=[[500.0, 7.0]])
    rows = (row(seed=0), row(seed=1, value=50.0))
    board = boards.Board("quick", "quick", tmp_path / "scores.csv", "", rows, (2, 3))
    found = details([facts.gathered(facts.key(), board)], tmp_path)
    assert [one["stored"] for one in found["runs"]] == [0, None]
    assert found["stored"][0]["id"] == "bc-x-1" and str(tmp_path) not in json.dumps(found)
    assert store.found(tmp_path)[0]["device"] == found["stored"][0]["device"]


def luminance(colour: str) -> float:
    """WCAG's relative luminance of #rrggbb."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """WCAG's contrast ratio."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colours_stand_out(theme):
    assert contrast("#000000", "#ffffff") == pytest.approx(21) and contrast("#777777", "#ffffff") < 4.5
    tokens = themes.TOKENS[theme]
    text = {pair: contrast(*(tokens[name] for name in pair)) for pair in themes.PAIRS}
    assert min(text.values()) >= 4.5, text
    lines = {colour: contrast(colour, tokens["surface"]) for colour in themes.CATEGORY[theme]}
    assert min(lines.values()) >= 3, lines
    ends = [contrast("#ffffff", themes.DIVERGING[theme][place]) for place in (0, 2)]
    assert min(*ends, contrast(tokens["ink"], themes.DIVERGING[theme][1])) >= 4.5


def test_broken_lines_and_files_are_named(tmp_path):
    scores.append(tmp_path / "good" / "scores.csv", sample.rows())
    file = tmp_path / "good" / "scores.csv"
    file.write_text(file.read_text(encoding="utf-8") + "first,cut", encoding="utf-8")
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "scores.csv").write_text("another,header\n1,2\n", encoding="utf-8")
    found, complaints = boards.found(tmp_path)
    assert [board.label for board in found] == ["first"] and len(complaints) == 1 and "another header" in complaints[0]
    assert len(found[0].notes) == 1 and "cut off" in found[0].notes[0]


def test_returns_without_references_are_shown_and_not_ranked(tmp_path):
    lines = [row(card=card, seed=seed, score=None, value=3.0 + seed) for card in ("bc", "iql") for seed in range(2)]
    scores.append(tmp_path / "scores.csv", lines)
    (file,), _ = report.write(tmp_path, out=tmp_path / "page.html", measured=False)
    tree = Tree(file.read_text(encoding="utf-8"))
    words = tree.text(tree.all("main")[0])
    assert "Rows are not ranked" in words and "not ranked" in words and "35.0 ± 5.0" in words
    assert "not measured: --no-measures was given" in words
    charts = json.loads(tree.text(tree.all("script")[0]))["charts"]
    assert charts.keys() == {"suite-1-curves"}


def test_suites_of_one_name_are_told_apart(tmp_path):
    for name in ("a", "b"):
        scores.append(tmp_path / name / "scores.csv", sample.rows())
    assert [board.label for board in boards.found(tmp_path)[0]] == ["first (a)", "first (b)"]
