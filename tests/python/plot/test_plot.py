"""The pictures: all that there is data for, and what they show."""

from collections.abc import Callable
from pathlib import Path

import pytest
from matplotlib.image import imread

from dacycle.errors import RunFileError
from dacycle.plot.draw import plot_run
from dacycle.plot.list import PICTURES
from dacycle.run_file import open_run

MakeRun = Callable[..., Path]
FIRST = ["mine_scores.png", "mine_hovmoeller.png", "mine_innovations.png"]
ALL = [*FIRST, "mine_desroziers.png", "mine_spectra.png"]
VERIFIED = [*ALL, "mine_ranks.png", "mine_reliability.png", "mine_skill.png"]
WITHOUT_FEEDBACK = [name for name in ALL if "desroziers" not in name]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ALL),
        ({"truth": False}, ALL),
        ({"verification": True}, VERIFIED),
        ({"minimisation": True}, [*ALL, "mine_convergence.png", "mine_hessian.png"]),
        ({"minimisation": True, "cycles": 30, "burn_in": 30}, FIRST),
        ({"feedback": False, "fields_every": 7}, WITHOUT_FEEDBACK),
        (
            {"fields_every": 0},
            ["mine_scores.png", "mine_innovations.png", "mine_desroziers.png"],
        ),
        ({"cycles": 1, "burn_in": 0}, ALL),
        ({"cycles": 3, "burn_in": 3, "n": 1500}, FIRST),
        ({"cycles": 2000, "fields_every": 50, "feedback": False}, WITHOUT_FEEDBACK),
    ],
)
@pytest.mark.filterwarnings("error")
def test_pictures_are_drawn(
    make_run: MakeRun, tmp_path: Path, options: dict[str, object], expected: list[str]
) -> None:
    with open_run(make_run(**options)) as run:
        pictures = plot_run(run, tmp_path / "pictures" / "deep", "mine")
    assert [path.name for path in pictures] == expected
    for picture in pictures:
        image = imread(picture)[..., :3]
        assert min(image.shape[:2]) > 500
        assert image.std() > 0.05, f"{picture.name} is all but blank"


def test_pictures_may_be_named(make_run: MakeRun, tmp_path: Path) -> None:
    with open_run(make_run(verification=True)) as run:
        pictures = plot_run(run, tmp_path, "mine", names=["skill", "ranks"])
    assert [path.name for path in pictures] == ["mine_skill.png", "mine_ranks.png"]
    with open_run(make_run()) as run:
        for name in list(PICTURES)[-3:]:
            with pytest.raises(RunFileError, match=f"picture '{name}' .* in &verification"):
                plot_run(run, tmp_path, "mine", names=[name])


def test_settings_of_the_user_stay(make_run: MakeRun, tmp_path: Path) -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    with open_run(make_run(fields_every=0, feedback=False)) as run:
        plot_run(run, tmp_path, "run")
    # The backend is settled by its first use, and not by us.
    assert {name for name in before if mpl.rcParams[name] != before[name]} <= {"backend"}


def test_what_cannot_be_drawn_is_refused(make_run: MakeRun, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with open_run(make_run()) as run:
        with pytest.raises(RunFileError, match="file: File exists"):
            plot_run(run, tmp_path / "file", "run")
        with pytest.raises(ValueError, match="last must be at least 1"):
            plot_run(run, tmp_path, "run", last=0)
