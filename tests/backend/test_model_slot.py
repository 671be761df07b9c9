"""Which engines are loaded together; the memory is made up."""

import logging

import pytest

from seedbed.errors import ModelError
from seedbed_backend.model_slot import ModelSlot

GIB = 1 << 30


class Engine:
    is_open = True

    def close(self):
        self.is_open = False


def slot(available=None, sizes=(1 * GIB, 4 * GIB), is_on_gpu=False):
    return ModelSlot(
        {"generator": Engine, "judge": Engine},
        dict(zip(("generator", "judge"), sizes, strict=True)),
        lambda: available,
        lambda: is_on_gpu,
    )


def test_both_stay_where_both_fit_with_a_reserve():
    models = slot(available=7 * GIB)
    generator = models.take("generator")
    judge = models.take("judge")
    assert models.take("generator") is generator
    assert models.take("judge") is judge
    assert models.n_loads == {"generator": 1, "judge": 1}
    assert generator.is_open
    models.close()
    assert not generator.is_open
    assert not judge.is_open
    assert models.loaded == ()


@pytest.mark.parametrize(
    "short",
    [{"available": 6 * GIB}, {"available": None}, {"available": 100 * GIB, "is_on_gpu": True}],
    ids=["5 GiB do not fit into 80 % of 6", "nobody knows", "GPU"],
)
def test_one_makes_room_for_the_other(short, caplog):
    models = slot(**short)
    generator = models.take("generator")
    with caplog.at_level(logging.INFO):
        judge = models.take("judge")
    assert not generator.is_open
    assert models.loaded == ("judge",)
    assert "swapping models: generator makes room for judge" in caplog.text
    assert models.take("judge") is judge
    assert models.take("generator").is_open
    assert not judge.is_open
    assert models.n_loads == {"generator": 2, "judge": 1}


def test_engines_without_weights_are_never_closed_for_each_other():
    models = slot(available=0, sizes=(0, 0), is_on_gpu=True)
    generator = models.take("generator")
    models.take("judge")
    assert generator.is_open


def test_a_model_that_does_not_load_leaves_the_slot_usable():
    def broken():
        raise ModelError("no model")

    models = ModelSlot(
        {"generator": Engine, "judge": broken},
        {"generator": GIB, "judge": GIB},
        lambda: 0,
        lambda: False,
    )
    models.take("generator")
    with pytest.raises(ModelError):
        models.take("judge")
    assert models.take("generator").is_open
