"""The pictures of the documentation are what the tool makes today, and its examples hold."""

from __future__ import annotations

import doctest
import re
import shlex
from pathlib import Path

import pytest

from tweakconv.cli import main

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "seeing.md").read_text(encoding="utf-8")
COMMANDS = [shlex.split(line)[1:] for line in re.findall(r"^tweakconv animate .*$", PAGE, re.MULTILINE)]


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: Path(words[-1]).stem)
def test_the_command_above_a_picture_makes_that_picture(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    picture = words[-1]
    assert main(words) == 0
    assert (tmp_path / picture).read_bytes() == (ROOT / picture).read_bytes()
    assert f"]({Path(picture).name})" in PAGE


def test_the_readme_shows_the_lectures_figure_and_how_it_is_made() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "](docs/convolution.svg)" in readme
    (shown,) = (words for words in COMMANDS if words[-1] == "docs/convolution.svg")
    assert shlex.join(["tweakconv", *shown[:-1], "convolution.svg"]) in readme
    assert (ROOT / "docs" / "convolution.svg").stat().st_size < 60_000


def test_the_examples_of_the_page_hold() -> None:
    failed, tried = doctest.testfile(str(ROOT / "docs" / "seeing.md"), module_relative=False, encoding="utf-8")
    assert failed == 0
    assert tried == 16
