"""The paper's own numbers, by corpus and network. Accuracies in %, squared errors of pixels from 0 to 1."""

from __future__ import annotations

from typing import NamedTuple


class Entry(NamedTuple):
    """A row of the paper's Table 1: accuracy in %, N_s where it is told, and whose work it is."""

    accuracy: float
    num_steps: int | None
    source: str


THIS = "this work"
TABLE1: dict[tuple[str, str], dict[str, Entry]] = {
    ("cifar10", "alexnet"): {
        "ann": Entry(89.59, None, THIS),
        "ptl": Entry(90.86, 16, THIS),
        "surrogate": Entry(85.24, None, "[17]"),
    },
    ("cifar10", "vgg11"): {
        "ann": Entry(90.59, None, THIS),
        "ptl": Entry(91.24, 16, THIS),
        "rate": Entry(88.82, None, "[27], VGG-like"),
    },
    ("cifar10", "vgg16"): {"rate": Entry(90.20, 100, "[43]")},
    ("imagenet", "alexnet"): {
        "ann": Entry(58.53, None, THIS),
        "ptl": Entry(55.19, 16, THIS),
        "tandem": Entry(50.22, 10, "[24]"),
    },
    ("imagenet", "vgg16"): {
        "ann": Entry(71.65, None, THIS),
        "ptl": Entry(65.08, 16, THIS),
        "rate": Entry(69.96, 2500, "[28]"),
    },
}
TABLE2: dict[tuple[str, str], dict[int, float]] = {  # weight bits (0: float) -> accuracy
    ("mnist", "mnist_cnn"): {0: 99.32, 8: 99.32, 7: 99.30, 6: 99.29, 5: 99.30, 4: 99.29},
    ("cifar10", "alexnet"): {0: 90.33, 8: 90.11, 7: 90.06, 6: 90.07, 5: 90.04, 4: 89.48},
}
TABLE3_ANN = 0.00667
TABLE3 = {32: 0.00662, 16: 0.01720, 8: 0.02361, 4: 0.02724, 2: 0.03435, 1: 0.04032}  # N_s -> MSE
FIG6 = ("cifar10", "alexnet")  # what the text says of it (section 5.5):
FIG6_RATIO = (8, 0.315)  # N_s and SynOps ratio at iso-accuracy
FIG6_EPOCHS = (1, 18)  # T_p and finishing epoch
