"""CIFAR-10: AlexNet and VGG (the paper's Tables 1 and 2, Figs. 4 to 6)."""

from spiking_tasnet.stages import DOWNLOAD, FAST, Option, VisionRecipe, existing_folder


class Recipe(VisionRecipe):
    """Networks of rising depth for small photographs."""

    description = "Classify CIFAR-10 with a spiking AlexNet or VGG (paper, Table 1)."
    corpus_name = "cifar10"
    source_help = "holds cifar-10-batches-py, or train/ and test/ with one folder a class, or these two as .tar.gz"
    networks = ("alexnet", "vgg11", "vgg13", "vgg16")
    costs = (
        "see README.md",
        "wants a GPU, with --fast a CPU will do; see README.md",
        "wants a GPU, with --fast a CPU will do; see README.md",
        "see README.md; rate and primitive train nothing",
        "see README.md; rate takes longest, it runs many more steps",
        "seconds",
    )
    options = (
        Option("source", "DIR", source_help, existing_folder),
        DOWNLOAD,
        Option("network", "NAME", "alexnet (default), vgg11, vgg13 or vgg16: takes conf/NAME.yaml"),
        FAST,
    )
