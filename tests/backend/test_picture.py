import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import pytest

from insights.grown import DELIVERIES, DISPUTES, LOGINS, expanded, grown, source
from seedbed_backend.insights.sets import compare
from seedbed_backend.picture import REAL, SYNTHETIC, draw, flatten

REAL_TEXTS = DISPUTES + LOGINS + DELIVERIES


def test_shows_both_sets_a_legend_and_what_the_axes_are_worth(tmp_path):
    path = tmp_path / "picture.svg"
    assert draw(expanded(REAL_TEXTS, [f"{t} again" for t in DISPUTES]), path)
    text = path.read_text(encoding="utf-8")
    root = ElementTree.fromstring(text)  # noqa: S314 - our own file
    said = " ".join(root.itertext())
    assert "real (24)" in said
    assert "synthetic (8)" in said
    assert "% of the variance" in said
    assert REAL.lower() in text.lower()
    assert SYNTHETIC.lower() in text.lower()
    # one use of the marker for each point, and one in the legend
    assert text.lower().count(f"fill: {SYNTHETIC}".lower()) == 8 + 1


def test_the_same_data_give_the_same_file(tmp_path):
    data = expanded(REAL_TEXTS, [f"{t} again" for t in LOGINS])
    for name in ("a.svg", "b.svg"):
        draw(data, tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_a_png_is_drawn_too(tmp_path):
    path = tmp_path / "picture.png"
    assert draw(expanded(REAL_TEXTS, [f"{t} again" for t in LOGINS]), path)
    assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("real", [["same"], ["one", "two"]])
def test_nothing_is_drawn_of_fewer_than_three_texts(real, tmp_path):
    path = tmp_path / "picture.svg"
    assert not draw(expanded(real, []), path)
    assert not draw(expanded(real, ["same"] if len(real) == 1 else ["one"]), path)
    assert not path.exists()


def test_other_scripts_and_markup_are_drawn(tmp_path):
    path = tmp_path / "picture.svg"
    real = ["合同终止 条款", "مرحبا بالعالم اليوم", "<b>bold & brave</b> $x^$", "plain words here"]
    assert draw(expanded(real, ["合同终止 新", "other words"]), path)
    ElementTree.parse(path)  # noqa: S314 - our own file


def test_documents_are_called_sources(tmp_path):
    path = tmp_path / "picture.svg"
    passages = [source("qa", passage=text) for text in REAL_TEXTS]
    draw(grown("qa", passages, [(passages[0], {"question": "Why?", "answer": "So."})]), path)
    assert "source (24)" in path.read_text(encoding="utf-8")


def test_the_axes_are_the_directions_of_most_variance():
    sets = compare(expanded(REAL_TEXTS, [f"{t} again" for t in DISPUTES]))
    real, synthetic, shown = flatten(sets)
    assert real.shape == (24, 2)
    assert synthetic.shape == (8, 2)
    assert 1 > shown[0] >= shown[1] > 0
    weights = np.concatenate([np.full(24, 0.5 / 24), np.full(8, 0.5 / 8)])
    points = np.concatenate([real, synthetic])
    spread = weights @ points**2
    assert spread[0] / spread[1] == pytest.approx(shown[0] / shown[1])


def test_no_screen_and_no_heavy_import_is_needed():
    code = (
        "import sys, seedbed_backend.picture, seedbed_backend.insights as i; i.insights();"
        "print([m for m in ('matplotlib', 'sklearn', 'scipy', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
