"""The networks that are shipped, by the names that commands know: packed files of a spiking separator and its ANN.

Their data, figures and limits are in README.md beside them, the model card.
"""

from pathlib import Path

SHIPPED = Path(__file__).with_name("talkers.pt")  # what is taken where no model is named
LIVE = Path(__file__).with_name("live.pt")  # looks only back, for streams
NETWORKS = {"talkers": SHIPPED, "live": LIVE}
NAMES = " or ".join(NETWORKS)  # for help texts and errors


def network_path(given: str | Path) -> Path:
    """The path of a model: `given` itself, or the shipped network of that name.

    What lies at the path `given` comes before a name. A path where nothing lies is given back as it is: whoever opens
    it says so.

    Examples:
        >>> network_path("live").name
        'live.pt'
        >>> network_path("exp/live").name
        'live'
    """
    path = Path(given)
    shipped = NETWORKS.get(str(path))
    return path if shipped is None or path.exists() else shipped
