"""ImageNet: AlexNet and VGG-16 (the paper's Table 1)."""

from spiking_tasnet.stages import FAST, Option, VisionRecipe, existing_folder


class Recipe(VisionRecipe):
    """Large photographs, which stay where they are."""

    description = "Classify ImageNet with a spiking AlexNet or VGG-16 (paper, Table 1)."
    corpus_name = "imagenet"
    source_help = "holds train/ and val/, each with one folder a class"
    networks = ("alexnet", "vgg16")
    costs = (
        "see README.md; the images stay where they are",
        "wants GPUs, with --fast a CPU will do; see README.md",
        "wants GPUs, with --fast a CPU will do; see README.md",
        "see README.md; rate and primitive train nothing",
        "see README.md; rate takes longest, it runs many more steps",
        "seconds",
    )
    options = (
        Option("source", "DIR", source_help, existing_folder),
        Option("network", "NAME", "alexnet (default) or vgg16: takes conf/NAME.yaml"),
        FAST,
    )
