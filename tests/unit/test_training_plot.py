"""The loss curve as a picture: its bytes repeat, and it shows what it is given."""

from __future__ import annotations

import struct
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from refusals import refused

from kgpt_build.errors import KgptError, ToolMissing, UsageError
from kgpt_build.training import plot
from kgpt_build.training.history import History, Point
from kgpt_build.training.plot import check_plot, picture, write_plot


def history(steps: int = 100) -> History:
    result = History()
    for step in range(1, steps + 1):
        result.add(step, 2 + 1 / step + 0.1 * (step % 3))
    result.validation += [Point(step, 2.2 + 1 / step) for step in range(20, steps + 1, 20)]
    return result


def test_png_and_svg_are_what_they_are_called(tmp_path: Path) -> None:
    png, svg = tmp_path / "c.png", tmp_path / "c.SVG"
    for path in (png, svg):
        check_plot(path)
        write_plot(path, history(), "a title")
    data = png.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", data[16:24]) == (1200, 675)
    assert ET.parse(svg).getroot().tag.endswith("svg")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.SVG", "c.png"]


@pytest.mark.parametrize("form", ["png", "svg"])
def test_the_same_history_is_the_same_bytes_in_another_process(form: str, tmp_path: Path) -> None:
    """Whatever a user's matplotlibrc says, and on another day: nothing of them is in the file."""
    (tmp_path / "matplotlibrc").write_text("lines.linewidth: 9\nsvg.hashsalt: other\naxes.facecolor: black\n")
    here = Path(__file__).parent
    code = (
        f"import sys; sys.path[:0] = [{str(here)!r}, {str(here.parents[1])!r}]\n"
        "from test_training_plot import history, picture\n"
        f"sys.stdout.buffer.write(picture(history(), 'a title', {form!r}))"
    )
    other = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, check=True)
    ours = picture(history(), "a title", form)
    assert other.stdout == ours
    assert b"dc:date" not in ours
    assert picture(history(101), "a title", form) != ours
    assert picture(history(), "another title", form) != ours


def test_validation_has_a_mark_for_each_point() -> None:
    def marks(shown: History) -> int:
        lines = picture(shown, "", "svg").decode().splitlines()
        return sum("<use " in line and "fill: #c2410c" in line for line in lines)

    without = history()
    without.validation.clear()
    assert marks(without) == 0
    assert marks(history()) == len(history().validation) + 1  # one stands in the legend


@pytest.mark.parametrize("title", ["my $corpus$ is $5", "a\nb\x00c", "名前 \U0001f600", "x" * 500, "$\\frac{$"])
def test_any_title_can_be_drawn(title: str, recwarn: pytest.WarningsRecorder) -> None:
    assert picture(history(), title, "png")
    assert not recwarn.list


@pytest.mark.parametrize("steps", [0, 1, 2, 5000])
def test_any_number_of_steps_can_be_drawn(steps: int, recwarn: pytest.WarningsRecorder) -> None:
    assert picture(history(steps), "t", "svg")
    assert not recwarn.list


@pytest.mark.parametrize("name", ["curve", "curve.pdf", "curve.png.gz", ".png"])
def test_other_forms_are_refused(name: str, tmp_path: Path) -> None:
    with refused(UsageError, f"--plot {tmp_path / name}: PNG SVG"):
        check_plot(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_places_that_cannot_be_written_are_refused_before_the_training(tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    for name in ("folder.png", "none/curve.png"):
        with refused(KgptError, f"write {tmp_path / name}:") as caught:
            check_plot(tmp_path / name)
        assert caught.value.exit_code == 1


def test_without_matplotlib_the_way_to_get_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plot, "find_spec", lambda _: None)
    with refused(ToolMissing, "--plot matplotlib installed") as missing:
        check_plot(tmp_path / "c.svg")
    assert missing.value.hint == "pip install 'kgpt[plot]'"


def test_matplotlib_is_imported_for_a_picture_only() -> None:
    code = (
        "import sys, kgpt_build.cli.training.train, kgpt_build.training.plot, kgpt_build.training.session\n"
        "sys.exit('matplotlib' in sys.modules)"
    )
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0
