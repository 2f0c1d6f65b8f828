"""The table `[training]` of a configuration: the same keys for every kind of network."""

from dataclasses import dataclass

from dacycle.option import option

__all__ = ["Training"]


@dataclass(frozen=True)
class Training:
    """How long, with which steps and where a network learns."""

    windows: int = option("updates of the weights in all, the decay included", 20_000, low=1)
    learning_rate: float = option("of AdamW, at its highest", 1.5e-3, above=0)
    warm_up: int = option("updates in which the learning rate rises from zero", 200, low=0)
    schedule: str = option(
        "constant until the decay begins, or cosine: falling all along",
        "constant",
        known=("constant", "cosine"),
    )
    decay: float = option(
        "the decay's part of all updates, of schedule 'constant'", 0.25, above=0, high=0.9
    )
    weight_decay: float = option("of AdamW", 1e-4, low=0)
    clip: float = option("the norm of the gradient is cut to this", 1.0, above=0)
    dtype: str = option("of weights and data", "float32", known=("float32", "float64"))
    bfloat16: bool = option(
        "convolutions in bfloat16, up to the middle of the decay: faster on some processors", False
    )
    seed: int = option("of the first weights and of all that is drawn", 1, low=0, high=2**32 - 1)
    device: str = option("cpu, cuda or cuda:N", "cpu")
    threads: int = option("of PyTorch", 1, low=1)
    report: int = option("updates between two lines of progress", 50, low=1)
    test: int = option("updates between two early tests", 500, low=1)
    checkpoint: int = option("updates between two checkpoints", 100, low=1)
    tensorboard: bool = option("write logs for TensorBoard, which must be installed", False)
