"""What an evaluation writes, one JSON object a line: a clip that was classified, measured or certified."""

import fcntl
import mmap
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError


class _Row(BaseModel):
    """Which model met which clip. `setting` is the evaluation's own name for what was asked, "waveform:0.02"."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    model_digest: str
    noise_sigma: tuple[float, ...] | None = Field(description="the model's training noise; null where nobody said")
    seed: int | None = Field(description="the model's training seed")
    fold: int | None = Field(description="the fold held out of its training, the one the clip is from")
    dataset: str
    clip: str = Field(description="folder and file within the data set")
    samples_sha256: str = Field(description="of rate and samples, which name the clip's noise")
    label: str
    setting: str
    device: str = Field(description="what computed: cpu, or the GPU's name")
    generator: str = Field(description="what drew the noise")
    backend: str = Field(description="the libraries that computed the logits")

    @property
    def key(self) -> tuple[str, ...]:
        """What an evaluation need not do twice."""
        return self.model_digest, self.clip, self.setting


class CleanRow(_Row):
    """The base classifier's answer without noise."""

    kind: Literal["clean"] = "clean"
    prediction: str

    @property
    def right(self) -> bool:
        return self.prediction == self.label


class Shape(BaseModel):
    """What a transform after the noise does to the perturbation: means over the noise samples."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    d_geom: float
    effective_norm_ratio: float


class GeometryRow(_Row):
    """D_geom and the effective norm ratio of every transform, over `samples` noise samples at `sigma`."""

    kind: Literal["geometry"] = "geometry"
    sigma: float
    samples: int
    transforms: dict[str, Shape]


class CertificateRow(_Row):
    """One certificate: the plan, the counts it came from and what follows."""

    kind: Literal["certificate"] = "certificate"
    contract: str
    transform: str
    sigma: float
    n0: int
    n: int
    alpha: float
    bound: str
    noise_seed: int
    outcome: Literal["certified", "abstained"]
    prediction: str | None = Field(description="null for an abstention")
    radius: float | None = Field(description="l2, in the certified space; null for an abstention")
    snr_db: float | None = Field(description="of the clip against the radius; null for features and abstentions")
    file_radius: float | None = Field(description="the radius in the file's own samples, gain held; null as snr_db")
    ceiling: float = Field(description="the radius of n unanimous votes")
    selection_counts: tuple[int, ...]
    counts: tuple[int, ...] = Field(description="estimation votes by class")
    invalid: int
    d_geom: float
    effective_norm_ratio: float
    seconds: float

    @property
    def key(self) -> tuple[str, ...]:
        return *super().key, str(self.n0), str(self.n), f"{self.alpha:g}"

    @property
    def right(self) -> bool:
        """Right with a positive radius: what positive-radius accuracy counts."""
        return self.prediction == self.label


Row = CleanRow | GeometryRow | CertificateRow
_ADAPTER: TypeAdapter[Row] = TypeAdapter(Annotated[Row, Field(discriminator="kind")])


def read(paths: Iterable[Path]) -> Iterator[Row]:
    """All rows of these files. A last line that was cut off by an interruption is skipped; ValueError names any other
    line that is no row."""
    for path in paths:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if line.endswith(b"\n"):
                    try:
                        yield _ADAPTER.validate_json(line)
                    except ValidationError as error:
                        raise ValueError(f"{path}, line {number}: {error}") from error


@contextmanager
def appending(path: Path) -> Iterator[Callable[[Row], None]]:
    """For adding rows to a file, each in it when the call returns.

    A last line that was cut off is taken away first, or the next row would continue it. BlockingIOError while another
    evaluation is adding to the same file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BlockingIOError(f"another evaluation is adding rows to {path}") from error
        if path.stat().st_size:
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                whole_lines = content.rfind(b"\n") + 1
            file.truncate(whole_lines)

        def add(row: Row) -> None:
            file.write(row.model_dump_json().encode() + b"\n")
            file.flush()

        yield add
