"""ESC-50 and its subset ESC-10 (K. J. Piczak 2015): environmental sounds of 5 s in five folds, from either layout.

* the official archive `ESC-50-master`: `meta/esc50.csv` (filename, fold, target, category, esc10, ...) and
  `audio/*.wav`, CC BY-NC 3.0; the clips marked esc10 are ESC-10, under CC BY 3.0;
* a folder of ESC-10 with `manifest.csv` (path, label, fold, sample_rate, frames) and Ogg files.
"""

import csv
from pathlib import Path

from clips import Clip

FOLDS = (1, 2, 3, 4, 5)
# ESC-50's names of the classes that are ESC-10, and the ones ESC-10 itself was published with.
NAMES_10 = {
    "dog": "dog_bark",
    "rain": "rain",
    "sea_waves": "sea_waves",
    "crying_baby": "baby_cry",
    "clock_tick": "clock_tick",
    "sneezing": "person_sneeze",
    "helicopter": "helicopter",
    "chainsaw": "chainsaw",
    "rooster": "rooster",
    "crackling_fire": "fire_crackling",
}
CLASSES_10 = tuple(sorted(NAMES_10.values()))
CLASSES_50 = tuple(
    """
    airplane breathing brushing_teeth can_opening car_horn cat chainsaw chirping_birds church_bells clapping
    clock_alarm clock_tick coughing cow crackling_fire crickets crow crying_baby dog door_wood_creaks
    door_wood_knock drinking_sipping engine fireworks footsteps frog glass_breaking hand_saw helicopter hen
    insects keyboard_typing laughing mouse_click pig pouring_water rain rooster sea_waves sheep siren sneezing
    snoring thunderstorm toilet_flush train vacuum_cleaner washing_machine water_drops wind
    """.split()  # noqa: SIM905  (a list of fifty quoted names is harder to read)
)


def read_10(root: Path) -> list[Clip] | None:
    """The 400 clips of ESC-10, in a fixed order; None where neither layout is there."""
    if (root / "manifest.csv").is_file():
        with (root / "manifest.csv").open(newline="") as lines:
            return [Clip(root / row["path"], row["label"], fold=int(row["fold"])) for row in csv.DictReader(lines)]
    rows = _official(root)
    if rows is None:
        return None
    return [
        Clip(root / "audio" / row["filename"], NAMES_10[row["category"]], fold=int(row["fold"]))
        for row in rows
        if row["esc10"] == "True"
    ]


def read_50(root: Path) -> list[Clip] | None:
    """The 2,000 clips of ESC-50, in a fixed order; None where the archive is not there."""
    rows = _official(root)
    if rows is None:
        return None
    return [Clip(root / "audio" / row["filename"], row["category"], fold=int(row["fold"])) for row in rows]


def _official(root: Path) -> list[dict[str, str]] | None:
    table = root / "meta" / "esc50.csv"
    if not table.is_file():
        return None
    with table.open(newline="") as lines:
        return list(csv.DictReader(lines))
