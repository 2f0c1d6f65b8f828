"""The learning rate over the updates."""

from dataclasses import replace
from itertools import pairwise

import pytest

from dacycle.training.schedule import decay_begins, ends, factor
from dacycle.training.settings import Training

TRAINING = Training(windows=1000, warm_up=100, decay=0.2)


def test_constant_rises_stays_and_decays_to_zero() -> None:
    rates = [factor(TRAINING, update, None) for update in range(1000)]
    assert rates[0] == pytest.approx(0.01)
    assert rates[99:801] == [1.0] * 702
    assert all(later < earlier for earlier, later in pairwise(rates[800:]))
    assert factor(TRAINING, 1000, None) == 0


def test_a_decay_that_is_asked_for_keeps_its_proportion() -> None:
    assert (decay_begins(TRAINING, None), ends(TRAINING, None)) == (800, 1000)
    assert (decay_begins(TRAINING, 400), ends(TRAINING, 400)) == (400, 500)
    assert factor(TRAINING, 400, 400) == 1
    assert factor(TRAINING, 425, 400) == pytest.approx(0.5)
    assert factor(TRAINING, 500, 400) == 0


def test_a_decay_asked_for_too_late_changes_nothing() -> None:
    assert (decay_begins(TRAINING, 900), ends(TRAINING, 900)) == (800, 1000)


def test_cosine_falls_all_along() -> None:
    cosine = replace(TRAINING, schedule="cosine", warm_up=0)
    assert [factor(cosine, update, None) for update in (0, 500, 1000)] == pytest.approx([1, 0.5, 0])
