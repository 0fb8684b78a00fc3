"""The data sets that recipes name: where each is to be had, what its classes are and how it is divided.

python models/datasets.py                       what there is, with address and checksum
python models/datasets.py speech-commands-12 FOLDER     read it and count
"""

import argparse
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import esc
import speech_commands
from clips import Clip, Split
from command import told


@dataclass(frozen=True)
class DataSet:
    """`folds`: empty where the data set comes in splits. `silence`: a class whose clips are cut from recordings that
    training saw too, if there is one: accuracy on it is optimistic."""

    name: str
    title: str
    url: str
    checksum: str
    licence: str
    classes: tuple[str, ...]
    folds: tuple[int, ...]
    reader: Callable[[Path], list[Clip] | None]
    silence: str | None = None

    def read(self, root: Path) -> list[Clip]:
        """All clips, in a fixed order. FileNotFoundError says where to get the data set when it is not in `root`."""
        clips = self.reader(root)
        if not clips:
            raise FileNotFoundError(
                f"{self.title} is not in {root}. Unpack there, without its top folder, {self.url} ({self.checksum})."
            )
        return clips

    def part(self, clips: list[Clip], split: Split, fold: int | None = None) -> list[Clip]:
        """The clips of a split. With folds: `fold` is held out for testing, all others are for training, and there
        is no validation."""
        if not self.folds:
            return [clip for clip in clips if clip.split == split]
        if fold not in self.folds:
            raise ValueError(f"{self.name} is cross-validated: give a fold of {self.folds}, not {fold}")
        if split == "validation":
            return []
        return [clip for clip in clips if (clip.fold == fold) == (split == "test")]


ESC_ARCHIVE = "https://github.com/karoldvl/ESC-50/archive/master.zip"
ESC_CHECKSUM = "MD5 7771e4b9d86d0945acce719c7a59305a"
DATASETS = {
    data.name: data
    for data in (
        DataSet(
            name="speech-commands-12",
            title="Google Speech Commands v0.02 (P. Warden 2018, arXiv:1804.03209)",
            url="http://download.tensorflow.org/data/speech_commands_v0.02.tar.gz",
            checksum="SHA-256 af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58",
            licence="CC BY 4.0",
            classes=speech_commands.CLASSES_12,
            folds=(),
            reader=speech_commands.read,
            silence=speech_commands.SILENCE,
        ),
        DataSet(
            name="esc-10",
            title="ESC-10 (K. J. Piczak 2015)",
            url=ESC_ARCHIVE,
            checksum=ESC_CHECKSUM,
            licence="CC BY 3.0",
            classes=esc.CLASSES_10,
            folds=esc.FOLDS,
            reader=esc.read_10,
        ),
        DataSet(
            name="esc-50",
            title="ESC-50 (K. J. Piczak 2015)",
            url=ESC_ARCHIVE,
            checksum=ESC_CHECKSUM,
            licence="CC BY-NC 3.0",
            classes=esc.CLASSES_50,
            folds=esc.FOLDS,
            reader=esc.read_50,
        ),
    )
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?", choices=DATASETS)
    parser.add_argument("folder", nargs="?", type=Path)
    args = parser.parse_args()
    for data in [DATASETS[args.name]] if args.name else DATASETS.values():
        print(
            f"{data.name}: {data.title}, {len(data.classes)} classes, {data.licence}\n  {data.url}\n  {data.checksum}"
        )
        if args.folder:
            with told(parser):
                clips = data.read(args.folder)
            where = Counter(f"fold {clip.fold}" if data.folds else clip.split for clip in clips)
            print(f"  {len(clips)} clips: " + ", ".join(f"{count} {part}" for part, count in sorted(where.items())))


if __name__ == "__main__":
    main()
