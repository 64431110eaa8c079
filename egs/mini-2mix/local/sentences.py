"""Sentences for the talkers: about 150 written out in sentences.txt, and a small grammar for all the others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

# At an ordinary rate these bounds give 2.2 to 4.5 s of speech.
SHORTEST, LONGEST = 44, 72  # characters
TRIES = 60  # per sentence before the grammar is said to be exhausted

PEOPLE = (
    "the farmer|the young doctor|my older brother|her aunt|the bus driver|our new neighbour|the tall nurse|"
    "a retired teacher|the night watchman|the chief engineer|his cousin|the shy student|an old sailor|the postman|"
    "the tired waitress|my youngest daughter|the museum guide|their landlord|the village priest|a famous singer|"
    "the gardener|your uncle|the quiet librarian|a friendly police officer|the blacksmith|the girl next door"
).split("|")
ANIMALS = (
    "the black cat|a stray dog|the brown mare|an old goat|the parrot|a grey squirrel|the neighbour's rooster|"
    "a young fox|the lame donkey|a pair of geese|the fat hamster|an angry swan"
).split("|")
THINGS = (
    "a basket of pears|the broken radio|two heavy suitcases|a box of candles|the garden chairs|a roll of carpet|"
    "an empty bottle|the copper kettle|her favourite vase|some dusty records|a pile of magazines|the yellow bicycle|"
    "a bag of onions|his winter boots|the torn curtain|a wooden ladder|three jars of jam|the silver teapot|"
    "an antique mirror|a bunch of keys|the folding table|a stack of plates|the spare blanket|a pot of glue"
).split("|")
MOVED = "carried|pushed|dragged|brought|took|delivered|threw|lowered|lifted|dropped|moved|hurried with".split("|")
TARGETS = (
    "into the kitchen|up the narrow stairs|across the courtyard|behind the garage|onto the balcony|down to the cellar|"
    "to the corner shop|through the side gate|over the low wall|under the big table|out of the burning shed|"
    "along the dark passage|into the back of the van|to the other side of the river|towards the open door"
).split("|")
PLACES = (
    "near the railway bridge|beside the old mill|at the edge of the forest|in the middle of the market|"
    "on the far side of town|behind the bakery|opposite the theatre|in a valley full of mist|above the flower shop|"
    "between two lakes|at the end of our street|under the church tower|on the roof of the hotel|by the fish market"
).split("|")
TIMES = (
    "yesterday afternoon|before breakfast|last Wednesday|early this morning|just after midnight|every other Friday|"
    "during the holidays|at half past four|in the first week of May|on a foggy evening|twenty years ago|"
    "before the rain began|while we were asleep|all through August|once a month|towards the end of winter"
).split("|")
LIKED = (
    "loves|hates|dreams about|talks about|is afraid of|cannot stand|never tires of|is proud of|worries about|"
    "writes poems about|often complains about|makes jokes about"
).split("|")
TOPICS = (
    "climbing steep mountains|old steam engines|cooking for large families|the price of butter|long sea voyages|"
    "playing cards for money|the sound of church bells|growing enormous pumpkins|cold and rainy mornings|"
    "singing in the shower|travelling without luggage|other people's children|crossing busy roads|"
    "modern furniture|collecting foreign stamps|sleeping in a tent|watching the stars|getting up at dawn"
).split("|")
DID = (
    "missed the last train home|opened a small restaurant|found a purse full of coins|lost an expensive watch|"
    "won a prize for jumping|learned to play the harp|slept on a wooden bench|bought a house without a roof|"
    "caught a fish as long as an arm|wrote a letter to the newspaper|painted the fence dark green|"
    "forgot to lock the front door|baked bread for the whole street|saw a bear in the orchard|"
    "fell asleep in the concert|broke a window with a ball|heard a strange voice on the phone|hid the money in a shoe"
).split("|")
ANIMAL_DID = (
    "jumped over the fence|stole a sausage from the grill|slept on top of the stove|ran after the milk cart|"
    "drank from the fountain|hid beneath the sofa|chased a butterfly|woke the whole village|ate all of the cabbages|"
    "sat quietly in the shade|escaped through a hole in the hedge|followed us to the station"
).split("|")
SUBJECTS = (
    "the weather|the water in the harbour|the coffee|the bread|the music|the road|the ice on the pond|the paint|"
    "the air in the cellar|the view|the soup|the traffic|the light|the snow on the hills"
).split("|")
QUALITIES = (
    "much better|far too cold|surprisingly good|almost perfect|worse than usual|not quite ready|rather dangerous|"
    "more than we expected|nothing special|exactly as they like it|a great disappointment|a pleasure to remember"
).split("|")
REASONS = (
    "because the bridge was closed|although it was snowing|and nobody believed it|so we all had to wait|"
    "but the neighbours only laughed|and then went home|without saying a word|just to please the children|"
    "in spite of the noise|and asked for more|as everyone had hoped|for the second time this year"
).split("|")
WANTED = "wants to|has decided to|would like to|is trying to|promised to|is about to|refused to|will probably".split(
    "|"
)
PLANS = (
    "sell the farm and move to the coast|study the history of gardens|repair the roof before winter|"
    "walk from one end of the island to the other|paint the bathroom orange|buy a second piano|"
    "teach the parrot to count|leave the city for good|cross the desert on a camel|plant forty apple trees|"
    "build a boat in the attic|visit every castle in the country|open a school for clowns|stay in bed until noon"
).split("|")
QUESTIONS = (
    "did you know that|who told you that|are you sure that|is it really true that|when did you hear that"
).split("|")
NUMBERS = "two three four five six seven eight nine ten eleven twelve fifteen twenty thirty forty fifty".split()
GOODS = (
    "lemons|eggs|blue envelopes|wool blankets|fresh trout|clay pots|brass screws|loaves of bread|postage stamps|"
    "red balloons|bars of soap|library books|glass marbles|tulip bulbs|bottles of ink|paper lanterns"
).split("|")
TRADED = "bought|sold|counted|ordered|lost|gave away|found|borrowed|packed|collected".split("|")

TEMPLATES = (
    (PEOPLE, MOVED, THINGS, TARGETS),
    (PEOPLE, MOVED, THINGS, TARGETS, TIMES),
    (TIMES, PEOPLE, DID),
    (PEOPLE, DID, PLACES),
    (PEOPLE, DID, REASONS),
    (PEOPLE, LIKED, TOPICS, REASONS),
    (PEOPLE, ["who lives"], PLACES, LIKED, TOPICS),
    (ANIMALS, ANIMAL_DID, TIMES),
    (ANIMALS, ANIMAL_DID, REASONS),
    (TIMES, ANIMALS, ANIMAL_DID),
    (SUBJECTS, PLACES, ["was"], QUALITIES, TIMES),
    (PEOPLE, WANTED, PLANS),
    (QUESTIONS, PEOPLE, DID, ["?"]),
    (PEOPLE, TRADED, NUMBERS, GOODS, PLACES),
    (TIMES, PEOPLE, TRADED, NUMBERS, GOODS),
    (PEOPLE, ["and"], PEOPLE, DID, TIMES),
)


def written() -> list[str]:
    """Return the sentences of sentences.txt."""
    lines = (Path(__file__).parent / "sentences.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def compose(rng: np.random.Generator) -> str:
    """Return one sentence of the grammar."""
    template = TEMPLATES[rng.integers(len(TEMPLATES))]
    words = " ".join(slot[rng.integers(len(slot))] for slot in template)
    end = "" if words.endswith("?") else "."
    return (words[0].upper() + words[1:]).replace(" ?", "?") + end


def draw_sentences(number: int, seed: int) -> list[str]:
    """Return `number` different sentences in random order, the written ones among them.

    Raises:
        ValueError: the grammar does not have so many.
    """
    rng = np.random.default_rng([seed, 2])
    chosen = dict.fromkeys(written()[:number])
    for sentence in _candidates(rng, TRIES * max(number, 100)):
        if len(chosen) == number:
            break
        chosen[sentence] = None
    if len(chosen) < number:
        raise ValueError(f"{number} utterances asked for, {len(chosen)} different sentences found; ask for fewer")
    sentences = list(chosen)
    return [sentences[i] for i in rng.permutation(number)]


def _candidates(rng: np.random.Generator, tries: int) -> Iterator[str]:
    for _ in range(tries):
        sentence = compose(rng)
        people = [person for person in PEOPLE if person in sentence.lower()]
        repeated = " and " in sentence and any(sentence.lower().count(person) > 1 for person in people)
        if SHORTEST <= len(sentence) <= LONGEST and not repeated:
            yield sentence
