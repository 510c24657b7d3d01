"""What tests of grading share."""

import copy
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT

MASTERS = ROOT / "tests" / "grading" / "masters"
NAME = "99_doubling"


def answered(answers: Mapping[str, str]) -> dict[str, Any]:
    """The notebook that a student hands in."""
    notebook = json.loads((MASTERS / f"{NAME}.ipynb").read_text())
    for cell in notebook["cells"]:
        tags = cell["metadata"].get("tags", [])
        if "exercise" in tags and tags[1] in answers:
            cell["source"] = answers[tags[1]]
    return copy.deepcopy(notebook)


@pytest.fixture(scope="module")
def hand_in(tmp_path_factory) -> Callable[..., Path]:
    """Hands in answers of students; returns the folder."""
    folder = tmp_path_factory.mktemp("submissions")

    def hand_in(**students: Mapping[str, str]) -> Path:
        for student, answers in students.items():
            (folder / student).mkdir()
            (folder / student / f"{NAME}.ipynb").write_text(json.dumps(answered(answers)))
        return folder

    return hand_in
