"""The paper's own numbers. Accuracies in %, squared errors of pixels from 0 to 1, SI-SDR in dB, PESQ narrow band."""

from __future__ import annotations

from typing import NamedTuple


class Entry(NamedTuple):
    """A row of the paper's Table 1.

    Attributes:
        accuracy: top-1, in %.
        num_steps: N_s, where the paper gives it.
        source: whose result it is; docs/references.md lists the works.
    """

    accuracy: float
    num_steps: int | None
    source: str


THIS = "this work"
TABLE1: dict[tuple[str, str], dict[str, Entry]] = {  # (corpus, network) -> method -> entry
    ("cifar10", "alexnet"): {
        "ann": Entry(89.59, None, THIS),
        "ptl": Entry(90.86, 16, THIS),
        "surrogate": Entry(85.24, None, "Wu et al. (2019)"),
    },
    ("cifar10", "vgg11"): {
        "ann": Entry(90.59, None, THIS),
        "ptl": Entry(91.24, 16, THIS),
        "rate": Entry(88.82, None, "Rueckauer et al. (2017), VGG-like"),
    },
    ("cifar10", "vgg16"): {"rate": Entry(90.20, 100, "Rathi et al. (2020)")},
    ("imagenet", "alexnet"): {
        "ann": Entry(58.53, None, THIS),
        "ptl": Entry(55.19, 16, THIS),
        "tandem": Entry(50.22, 10, "Wu et al. (2019)"),
    },
    ("imagenet", "vgg16"): {
        "ann": Entry(71.65, None, THIS),
        "ptl": Entry(65.08, 16, THIS),
        "rate": Entry(69.96, 2500, "Sengupta et al. (2019)"),
    },
}
TABLE2: dict[tuple[str, str], dict[int, float]] = {  # (corpus, network) -> weight bits (0: float) -> accuracy
    ("mnist", "mnist_cnn"): {0: 99.32, 8: 99.32, 7: 99.30, 6: 99.29, 5: 99.30, 4: 99.29},
    ("cifar10", "alexnet"): {0: 90.33, 8: 90.11, 7: 90.06, 6: 90.07, 5: 90.04, 4: 89.48},
}
TABLE3_ANN = 0.00667
TABLE3 = {32: 0.00662, 16: 0.01720, 8: 0.02361, 4: 0.02724, 2: 0.03435, 1: 0.04032}  # N_s -> MSE
# WSJ0-2mix, PTL: condition -> system -> metric -> (different genders, same gender, overall).
TABLE4: dict[str, dict[str, dict[str, tuple[float, float, float]]]] = {
    "closed": {
        "ann": {"si_sdr": (15.2, 11.7, 13.5), "pesq": (3.12, 2.83, 2.97)},
        "snn": {"si_sdr": (14.5, 11.0, 12.8), "pesq": (3.03, 2.75, 2.89)},
    },
    "open": {
        "ann": {"si_sdr": (14.9, 10.4, 12.8), "pesq": (3.11, 2.74, 2.94)},
        "snn": {"si_sdr": (14.2, 9.8, 12.2), "pesq": (3.02, 2.66, 2.85)},
    },
}
FIG6 = ("cifar10", "alexnet")  # what the text says of it (section 5.5):
FIG6_RATIO = (8, 0.315)  # N_s and SynOps ratio at iso-accuracy
FIG6_EPOCHS = (1, 18)  # T_p and finishing epoch
