"""The talkers: who they are, drawn from a seed.

A talker is a voice variant of espeak-ng, an accent, a pitch, a liveliness, a speaking rate and a vocal-tract length.
Test talkers use variants that no training talker uses, drawn over the same ranges: what is unknown about them is the
voice, not the kind of voice. Saying the same sentence, no test variant comes nearer to a training variant than 1.4 dB
(rms difference of the long-term spectra up to 4 kHz, in bands of 190 Hz); nearer ones are in `EXCLUDED`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import cycle

import numpy as np


def _names(words: str) -> tuple[str, ...]:
    return tuple(words.split())


ACCENTS = ("en-us", "en", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-029", "en-us-nyc")

# Women's variants by name, `gender` line or pitch line; all others are men's or say nothing and are pitched as men's.
TRAIN_FEMALE = _names("Alicia Andrea Annie anika belinda f1 f2 f3 grandma shelby steph steph3")
TEST_FEMALE = _names("f4 f5 linda aunty")
TRAIN_MALE = _names(
    "Alex Andy Denis Diogo Gene Henrique Hugo Jacky Lee Marco Mario Mike Storm Tweaky adam antonio benjamin boris "
    "david ed edward edward2 grandpa gustave ian iven3 iven4 john kaukovalta klatt3 klatt4 klatt5 m1 m4 m5 m6 m8 "
    "marcelo max michel miguel pablo paul pedro quincy sandro travis victor"
)
# Men's variants that espeak-ng can pitch high enough to become a woman's with a shorter vocal tract.
TRAIN_RAISED = _names(
    "Alex Andy Diogo Jacky Lee Marco Mario Tweaky adam antonio benjamin boris ed edward edward2 grandpa gustave "
    "john klatt3 klatt4 klatt5 m5 m6 max michel miguel pablo pedro travis"
)
TEST_MALE = _names("m2 m3 m7 Michael Nguyen Reed mike2 rob")
TEST_RAISED = _names("m2 m3 m7 Michael Nguyen Reed")
EXCLUDED = {
    "not human": _names(
        "Demonic UniRobot anikaRobot announcer croak RicishayMax RicishayMax2 RicishayMax3 "
        "robosoft robosoft2 robosoft3 robosoft4 robosoft5 robosoft6 robosoft7 robosoft8"
    ),
    "a whisper or a child": _names("whisper whisperf caleb zac"),
    "distorted or unnaturally timed": ("AnxiousAndy", "Mr serious", "norbert", "iven", "iven2", "klatt", "klatt2"),
    "nearly equal to another": _names("Gene2 fast klatt6 robert steph2"),
}

PITCH_RANGE = (35, 70)  # espeak-ng's unit, 50 is the variant's own
RATE = (140, 185)  # words per minute


@dataclass(frozen=True)
class Kind:
    """What the talkers of one kind have in common.

    Attributes:
        gender: `M` or `F`.
        train, test: variants of training and test talkers.
        f0: range of the median pitch in Hz, drawn stratified so that few talkers happen to be alike.
        tract: range of the factor on the formants.
    """

    gender: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    f0: tuple[float, float]
    tract: tuple[float, float]


MEN = Kind("M", TRAIN_MALE, TEST_MALE, (85.0, 145.0), (0.91, 1.09))
WOMEN = Kind("F", TRAIN_FEMALE, TEST_FEMALE, (175.0, 250.0), (0.91, 1.09))
# There are few women's variants: every second woman is a man's variant with a vocal tract shorter by a sixth or so.
RAISED = Kind("F", TRAIN_RAISED, TEST_RAISED, (168.0, 190.0), (1.12, 1.22))


@dataclass(frozen=True)
class Talker:
    """One talker of the corpus.

    Attributes:
        id: folder name, such as `t001`.
        gender: `M` or `F`.
        subset: `si_tr_s` (training talkers) or `si_et_05` (test talkers).
        accent: espeak-ng language.
        variant: espeak-ng voice variant.
        f0: median pitch in Hz to aim at.
        pitch_range: espeak-ng's pitch range, 50 is the variant's own.
        rate: words per minute.
        tract: factor on the formants.
    """

    id: str
    gender: str
    subset: str
    accent: str
    variant: str
    f0: float
    pitch_range: int
    rate: int
    tract: float

    def as_dict(self) -> dict:
        """Return the fields as plain numbers and strings."""
        return asdict(self)


def draw_talkers(n_train: int, n_test: int, seed: int) -> list[Talker]:
    """Draw training talkers t001.. and test talkers e001.., men and women in turn.

    Raises:
        ValueError: fewer than four talkers in a set; each needs two of each sex.
    """
    for option, number in (("--train-talkers", n_train), ("--test-talkers", n_test)):
        if number < 4:
            raise ValueError(f"{option} {number}: expected at least 4, two of each sex; give a larger number")
    talkers: list[Talker] = []
    for index, (number, subset, prefix) in enumerate(((n_train, "si_tr_s", "t"), (n_test, "si_et_05", "e"))):
        rng = np.random.default_rng([seed, 1, index])
        counts = {MEN: (number + 1) // 2, WOMEN: (number // 2 + 1) // 2, RAISED: number // 2 // 2}
        voices = {kind: iter(_draw_voices(kind, count, subset, rng)) for kind, count in counts.items()}
        kinds = cycle((MEN, WOMEN, MEN, RAISED))
        talkers += [Talker(id=f"{prefix}{i + 1:03d}", **next(voices[next(kinds)])) for i in range(number)]
    return talkers


def _draw_voices(kind: Kind, number: int, subset: str, rng: np.random.Generator) -> list[dict]:
    variants = _deal(kind.train if subset == "si_tr_s" else kind.test, number, rng)
    accents = _deal(ACCENTS, number, rng)
    strata = (rng.permutation(number) + rng.random(number)) / max(number, 1)
    f0s = kind.f0[0] + (kind.f0[1] - kind.f0[0]) * strata
    return [
        {
            "gender": kind.gender,
            "subset": subset,
            "accent": accents[i],
            "variant": variants[i],
            "f0": round(float(f0s[i]), 1),
            "pitch_range": int(rng.integers(*PITCH_RANGE, endpoint=True)),
            "rate": int(rng.integers(*RATE, endpoint=True)),
            "tract": round(float(rng.uniform(*kind.tract)), 3),
        }
        for i in range(number)
    ]


def _deal(items, number: int, rng: np.random.Generator) -> list[str]:
    """Return `number` items: all of them, shuffled, as often as needed."""
    rounds = -(-number // len(items))
    return [str(item) for _ in range(rounds) for item in rng.permutation(items)][:number]
