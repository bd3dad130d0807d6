"""Published rows: the arithmetic that the specification prints is reproduced from them, and broken files are named."""

import re
from collections import defaultdict
from fractions import Fraction

import pytest

from jaxrl.core.check import InputError
from jaxrl.evaluation import published
from jaxrl.evaluation.published import files

BODIES = "(halfcheetah|hopper|walker2d)"
GROUPS = {
    "all": (".*", None),
    "gym": (f"{BODIES}-.*", 18),
    "locomotion": (f"{BODIES}-medium(-replay|-expert)?", 9),
    "maze2d": ("maze2d-.*", 3),
    "antmaze": ("antmaze-.*", 6),
    "adroit": ("(pen|door|hammer|relocate)-.*", 12),
    "cloned": ("(pen|door|hammer|relocate)-cloned", 4),
}
"""Name of a mean -> the datasets it is over, and how many there are."""

MEANS = """
CORL: last
  BC 10%BC TD3+BC AWAC CQL IQL ReBRAC SAC-N EDAC DT
  locomotion 50.40 69.29 76.45 79.39 78.28 81.63 89.74 83.52 92.92 73.84
  maze2d 1.14 12.58 61.99 121.93 33.65 46.23 96.77 141.32 82.63 28.48
  antmaze 17.21 19.71 19.33 18.58 50.71 57.17 78.42 0.00 0.00 18.12
  adroit 48.18 42.69 10.40 55.71 1.53 53.43 59.39 12.43 18.77 49.21
  all 37.95 43.06 37.16 62.01 37.61 61.92 76.04 44.16 43.65 48.31
CORL: best
  BC 10%BC TD3+BC AWAC CQL IQL ReBRAC SAC-N EDAC DT
  locomotion 70.15 80.65 84.83 87.80 84.68 86.28 93.00 95.60 96.36 77.49
  maze2d 18.67 30.65 149.30 172.33 126.07 111.95 169.98 151.48 162.27 60.74
  antmaze 23.96 30.58 30.08 31.42 61.83 72.00 86.71 0.00 7.08 21.04
  adroit 58.92 54.58 20.52 67.69 13.64 62.62 69.71 27.49 33.88 52.60
  all 51.27 55.21 54.60 76.93 55.84 76.53 90.12 54.82 60.10 54.57
CORL: pre-trained
  AWAC CQL IQL SPOT Cal-QL ReBRAC
  antmaze 18.12 48.38 56.29 52.88 53.04 80.00
  cloned 22.84 -0.72 21.69 2.43 -0.76 20.33
CORL: fine-tuned
  AWAC CQL IQL SPOT Cal-QL ReBRAC
  antmaze 16.46 95.58 78.50 92.38 97.33 78.88
  cloned 21.76 0.22 44.99 11.81 -0.79 93.04
unifloral: last
  BC TD3+BC IQL ReBRAC CQL SAC-N EDAC MOPO MOReL COMBO DT
  locomotion 52.1 75.3 78.9 88.0 62.7 86.5 88.6 64.9 43.3 57.4 67.1
JAX-CORL: unstated
  AWAC IQL TD3+BC CQL XQL DT
  all 63.50 78.82 79.16 76.75 82.25 75.67
OfflineRL-Kit: unstated
  CQL TD3+BC EDAC IQL MOPO RAMBO COMBO MOBILE
  all 80.4 75.7 93.0 79.2 81.8 82.7 89.3 95.9
ReBRAC paper: *
  TD3+BC IQL CQL SAC-RND ReBRAC
  gym 70.3 72.9 73.6 82.6 81.2
  antmaze 28.7 58.3 50.6 60.9 76.8
ReBRAC paper: *
  BC TD3+BC IQL CQL SAC-RND ReBRAC
  adroit 36.7 49.9 53.4 40.3 12.9 58.6
IQL authors: unstated
  IQL
  all 77.0
IQL-PyTorch: unstated
  IQL
  all 73.2
"""
"""Means over datasets as printed (published.md 5.2 to 5.7), by source and protocol: algorithms, then a line a group."""

FLATTERY = """
locomotion 19.7 11.4 8.4 8.4 6.4 4.6 3.3 12.1 3.4 3.6
maze2d 17.5 18.1 87.3 50.4 92.4 65.7 73.2 10.2 79.6 32.3
antmaze 6.8 10.9 10.8 12.8 11.1 14.8 8.3 0.0 7.1 2.9
adroit 10.7 11.9 10.1 12.0 12.1 9.2 10.3 15.1 15.1 3.4
"""
"""Best less last of CORL, in the order of its algorithms (published.md 5.2.3)."""

CUT = {
    ("CORL", "pre-trained", "cloned", "ReBRAC"): 20.3375,
    ("CORL", "fine-tuned", "cloned", "CQL"): 0.2275,
    ("ReBRAC paper", "*", "antmaze", "IQL"): 58.38333,
    ("ReBRAC paper", "*", "antmaze", "SAC-RND"): 60.96667,
    ("ReBRAC paper", "*", "antmaze", "ReBRAC"): 76.86667,
    ("ReBRAC paper", "*", "adroit", "IQL"): 53.45833,
    ("ReBRAC paper", "*", "adroit", "SAC-RND"): 12.95833,
}
"""Means that their sources print one unit of the last digit lower than the rounded mean of the rows beside them."""

LETTERS = {
    "C": "CORL", "U": "unifloral", "K": "OfflineRL-Kit", "J": "JAX-CORL", "R": "ReBRAC paper", "A": "IQL authors",
}  # fmt: skip


def printed():
    """(source, protocol, group, algorithm, text) of all means."""
    for block in re.split(r"\n(?=\S)", MEANS.strip()):
        (head, names, *lines) = block.splitlines()
        source, protocol = head.split(": ")
        for line in lines:
            group, *numbers = line.split()
            for algorithm, text in zip(names.split(), numbers, strict=True):
                yield source, protocol, group, algorithm, text


def mean(source, protocol, group, algorithm):
    """Exact mean over the datasets of a group, of which none may be missing."""
    pattern, number = GROUPS[group]
    values = {
        row.name: Fraction(repr(row.mean))
        for row in published.rows()
        if (row.source, row.algorithm) == (source, algorithm)
        and protocol in ("*", row.protocol)
        and re.fullmatch(pattern, row.dataset)
    }
    assert len(values) == (number or {"CORL": 30, "JAX-CORL": 6}.get(source, 9)), (source, group, algorithm)
    return sum(values.values()) / len(values)


def as_printed(value, text):
    """Whether a number is the text when rounded, a tie either way."""
    return abs(value - Fraction(text)) <= Fraction(1, 2 * 10 ** len(text.partition(".")[2]))


def test_means_over_datasets_are_those_that_were_printed():
    cells = list(printed())
    wrong = {cell[:4]: cell[4] for cell in cells if not as_printed(mean(*cell[:4]), cell[4])}
    assert len(cells) == 167 and wrong.keys() == CUT.keys()
    for cell, text in wrong.items():
        found, unit = float(mean(*cell)), 10.0 ** -len(text.partition(".")[2])
        assert found == pytest.approx(CUT[cell], abs=1e-5) and float(text) < found < float(text) + unit, "cut off"


def test_best_checkpoints_flatter_as_much_as_was_printed():
    names = [cell[3] for cell in printed() if cell[:3] == ("CORL", "best", "all")]
    for line in FLATTERY.strip().splitlines():
        group, *numbers = line.split()
        for algorithm, text in zip(names, numbers, strict=True):
            gain = mean("CORL", "best", group, algorithm) - mean("CORL", "last", group, algorithm)
            assert as_printed(gain, text), (group, algorithm, float(gain), text)


def test_bands_follow_from_the_rows():
    there = defaultdict(dict)
    for row in published.rows():
        if row.protocol in ("last", "unstated"):
            there[row.name, row.algorithm][row.source] = row
    for band in published.bands():
        found = there[band.dataset, band.algorithm]
        said = {LETTERS[text[0]]: text.split()[1] for text in band.sources.split("; ")}
        assert said.keys() == found.keys() - {"IQL-PyTorch"}, band
        assert all(as_printed(Fraction(repr(found[name].mean)), text) for name, text in said.items()), band
        kept = [found[name] for letter, name in LETTERS.items() if name in said and letter not in band.excluded]
        ends = [Fraction(repr(row.mean)) + sign * Fraction(repr(row.std or 0.0)) for row in kept for sign in (-1, 1)]
        assert as_printed(min(ends), str(band.low)) and as_printed(max(ends), str(band.high)), band
        assert all(found[LETTERS[letter]].caution for letter in band.excluded), band


def test_rows_are_complete_and_their_cautions_kept():
    rows = published.rows()
    key = lambda row: (row.name, row.algorithm, row.source, row.protocol)
    assert len(rows) == len({key(row) for row in rows}) == 30 * 10 * 2 + 10 * 6 * 2 + 162 + 36 + 72 + 192 + 18
    assert {row.dataset_version for row in rows} == {"v1", "v2"}
    warned = {(row.source, row.algorithm, row.dataset) for row in rows if row.caution}
    for source, algorithm in (("unifloral", "CQL"), ("JAX-CORL", "CQL")):
        assert all(row.caution for row in rows if (row.source, row.algorithm) == (source, algorithm))
    adroit = [row for row in rows if re.fullmatch(GROUPS["adroit"][0], row.dataset) and row.source == "CORL"]
    assert {row.algorithm for row in adroit if row.caution} == {"CQL", "TD3+BC"}
    assert all(row.caution for row in adroit if row.algorithm == "CQL")
    assert ("CORL", "CQL", "antmaze-umaze-diverse") in warned and ("CORL", "CQL", "antmaze-umaze") not in warned
    assert {dataset for source, name, dataset in warned if (source, name) == ("unifloral", "EDAC")} == {
        "halfcheetah-medium", "walker2d-medium",
    }  # fmt: skip
    assert {("CORL", "SAC-N", "hopper-medium"), ("CORL", "TD3+BC", "antmaze-medium-play")} <= warned
    assert {(source, "DT", "hopper-medium-replay") for source in ("CORL", "unifloral")} <= warned
    assert not any(row.caution for row in rows if row.kind == "paper")
    assert {(row.source, row.algorithm) for row in rows if row.kind == "paper"} == {
        ("ReBRAC paper", "ReBRAC"), ("IQL authors", "IQL"),
    }  # fmt: skip


def test_lengths_of_training_and_episodes_are_those_of_the_sources():
    corl = [row for row in published.rows() if row.source == "CORL" and row.protocol in ("last", "best")]
    assert {row.updates for row in corl if row.algorithm in ("SAC-N", "EDAC")} == {3_000_000}
    assert {(row.dataset[:7] == "antmaze", row.episodes) for row in corl} == {(True, 100), (False, 10)}
    assert {row.episodes for row in published.rows() if row.source == "unifloral"} == {1000}
    assert {(row.seeds, row.episodes) for row in published.rows() if row.source == "JAX-CORL"} == {(5, 5)}


GOOD = "hopper-medium,v2,IQL,CORL,rerun,last,1000000,4,10,67.53,3.78,"


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (GOOD.replace("CORL", "CRL"), "unknown source 'CRL'; did you mean 'CORL'"),
        (GOOD.replace("rerun", "again"), "unknown kind 'again'"),
        (GOOD.replace("last", "first"), "unknown protocol 'first'"),
        (GOOD.replace("67.53", ""), "mean is ''; write the number"),
        (GOOD.replace("67.53", "nan"), "mean is 'nan'"),
        (GOOD.replace("3.78", "-3.78"), "std is '-3.78'"),
        (GOOD.replace("1000000", "1e6"), "updates is '1e6'"),
        (GOOD.removesuffix(","), "12 cells"),
        (GOOD + ",", "12 cells"),
    ],
)
def test_bad_rows_are_named_by_file_and_line(tmp_path, line, complaint):
    path = tmp_path / "mine.csv"
    path.write_text("\n".join([",".join(files.Row._fields), GOOD, line, ""]), encoding="utf-8")
    with pytest.raises(InputError, match=re.escape(complaint)) as caught:
        files.read(path, files.Row, files.ROWS)
    assert f"{path}, line 3" in str(caught.value) and "\n" not in str(caught.value)


def test_good_rows_and_foreign_headers(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("\n".join([",".join(files.Row._fields), GOOD, ""]), encoding="utf-8")
    (row,) = files.read(path, files.Row, files.ROWS)
    assert (row.name, row.mean, row.std, row.seeds, row.caution) == ("hopper-medium-v2", 67.53, 3.78, 4, "")
    with pytest.raises(InputError, match="line 1: the columns"):
        files.read(path, files.Band)
    path.write_text(f"{','.join(files.Return._fields)}\nCartPole-v1,ppo,,,6,CleanRL,,\n", encoding="utf-8")
    with pytest.raises(InputError, match="line 2: mean is ''"):
        files.read(path, files.Return, {"source": files.ONLINE})
