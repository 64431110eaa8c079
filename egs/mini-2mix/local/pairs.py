"""Mixture lists in MERL's format: who is mixed with whom, and at what level."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

# Half the mixtures are of different sexes, a quarter of men, a quarter of women, in turn.
KINDS = (("M", "F"), ("M", "M"), ("F", "M"), ("F", "F"))
LARGEST_DIFFERENCE_DB = 5.0
TRIES = 200  # draws per mixture before the talkers are said to offer no further pair


def draw_mixtures(utterances: Mapping[str, Mapping[str, Sequence[str]]], number: int, rng: np.random.Generator):
    """Draw the lines of one list.

    Every utterance is used about equally often. No pair of utterances comes twice, and no talker meets themself.

    Args:
        utterances: paths by talker by sex, `{"M": {"t001": ["mini/si_tr_s/t001/t001_001.wav"]}}`.
        number: of lines.
        rng: source of all choices.

    Returns:
        Lines `path1 gain1 path2 gain2`; the gains are +g and -g dB, 2g uniform in 0 to 5.

    Raises:
        ValueError: there are too few different pairs.
    """
    decks = {
        sex: _deal([(t, path) for t, paths in talkers.items() for path in paths], rng)
        for sex, talkers in utterances.items()
    }
    seen: set[frozenset[str]] = set()
    lines = []
    for index in range(number):
        first_sex, second_sex = KINDS[index % len(KINDS)]
        for _ in range(TRIES):
            (talker1, path1), (talker2, path2) = next(decks[first_sex]), next(decks[second_sex])
            pair = frozenset((path1, path2))
            if talker1 != talker2 and pair not in seen:
                break
        else:
            raise ValueError(
                f"{number} mixtures asked for, {index} different pairs found; ask for fewer with --mixtures "
                "or for more talkers or --utterances"
            )
        seen.add(pair)
        gain = rng.uniform(0.0, LARGEST_DIFFERENCE_DB) / 2
        lines.append(f"{path1} {gain:.4f} {path2} {-gain:.4f}")
    order = rng.permutation(number)
    return [lines[i] for i in order]


def _deal(cards: Sequence, rng: np.random.Generator) -> Iterator:
    """Yield the cards in random order for ever, shuffling again after each round."""
    while True:
        for i in rng.permutation(len(cards)):
            yield cards[i]
