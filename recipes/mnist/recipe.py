"""MNIST: the paper's CNN (Table 2) and its autoencoder (Table 3, Fig. 8)."""

from spiking_tasnet.stages import DOWNLOAD, FAST, Option, VisionRecipe, existing_folder


class Recipe(VisionRecipe):
    """Two networks for handwritten digits."""

    description = "Classify or reconstruct MNIST's digits with a spiking network (paper, Tables 2 and 3)."
    corpus_name = "mnist"
    source_help = "holds MNIST's four IDX files, gzipped or not, there or in MNIST/raw"
    networks = ("cnn", "autoencoder")
    baselines = {"autoencoder": ("primitive",)}
    costs = (
        "seconds",
        "see README.md; with --fast minutes on a CPU",
        "see README.md; with --fast minutes on a CPU",
        "see README.md; rate and primitive train nothing",
        "see README.md; rate takes longest, it runs many more steps",
        "seconds",
    )
    options = (
        Option("source", "DIR", source_help, existing_folder),
        DOWNLOAD,
        Option("network", "NAME", "cnn (default) or autoencoder: takes conf/NAME.yaml"),
        FAST,
    )
