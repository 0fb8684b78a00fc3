"""What has been done of a clip that is not settled: the votes that are in, and what they are votes of."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select

from soundproof.audio.facts import ClipFacts
from soundproof.errors import PlanError
from soundproof.smoothing.certification import Geometry, Votes
from soundproof.smoothing.noise_address import Stage
from soundproof.smoothing.plan import Block, Plan
from soundproof.store.database import insert_all_new
from soundproof.store.documents import facts_document, facts_of, plan_document, plan_of
from soundproof.store.schema import VotesRow, WorkRow


@dataclass(frozen=True, kw_only=True)
class Work:
    """Votes may be added up with votes of the same work only: of the same plan, of noise from the same generator,
    computed by the same backend and by the same version of this service. `facts`: the clip, as first prepared."""

    plan: Plan
    facts: ClipFacts
    generator: str
    backend: str
    service_version: str

    def adds_up_with(self, other: "Work") -> bool:
        return (self.plan, self.generator, self.backend, self.service_version) == (
            other.plan,
            other.generator,
            other.backend,
            other.service_version,
        )


@dataclass(frozen=True, kw_only=True)
class Begun:
    """A clip's work and its votes so far, in order of their blocks."""

    work: Work
    votes: tuple[tuple[Block, Votes], ...] = ()


def begun(connection: Connection, clip_id: int) -> Begun | None:
    """What has been done of a clip; None if nothing, or nothing that this version understands."""
    work = _work(connection, clip_id)
    if work is None:
        return None
    rows = connection.execute(
        select(
            VotesRow.stage,
            VotesRow.block,
            VotesRow.samples,
            VotesRow.counts,
            VotesRow.invalid,
            VotesRow.deviation_sum,
            VotesRow.ratio_sum,
            VotesRow.measured,
        )
        .where(VotesRow.clip_id == clip_id)
        .order_by(VotesRow.stage, VotesRow.block)
    )
    votes = tuple(
        (
            Block(Stage(stage), block, samples),
            Votes(tuple(counts), invalid, Geometry(deviation_sum, ratio_sum, measured)),
        )
        for stage, block, samples, counts, invalid, deviation_sum, ratio_sum, measured in rows
    )
    return Begun(work=work, votes=votes)


def begin(connection: Connection, clip_id: int, work: Work) -> bool:
    """Write down what the votes to come are votes of. True when those that are kept add up with them; others go."""
    known = _work(connection, clip_id)
    if known is not None and known.adds_up_with(work):
        return True
    connection.execute(delete(WorkRow).where(WorkRow.clip_id == clip_id))  # its votes go with it
    connection.execute(
        insert(WorkRow).values(
            clip_id=clip_id,
            open=True,
            plan=plan_document(work.plan),
            facts=facts_document(work.facts),
            generator=work.generator,
            backend=work.backend,
            service_version=work.service_version,
        )
    )
    return False


def record(connection: Connection, clip_id: int, votes: Iterable[tuple[Block, Votes]]) -> None:
    """Keep the votes of blocks. A block that comes twice is kept once: it is the same noise."""
    rows = [
        {
            "clip_id": clip_id,
            "stage": int(block.stage),
            "block": block.index,
            "samples": block.samples,
            "counts": list(result.counts),
            "invalid": result.invalid,
            "deviation_sum": result.geometry.deviation_sum,
            "ratio_sum": result.geometry.ratio_sum,
            "measured": result.geometry.samples,
        }
        for block, result in votes
    ]
    if rows:
        insert_all_new(connection, VotesRow, rows)


def _work(connection: Connection, clip_id: int) -> Work | None:
    row = connection.execute(
        select(WorkRow.plan, WorkRow.facts, WorkRow.generator, WorkRow.backend, WorkRow.service_version).where(
            WorkRow.clip_id == clip_id
        )
    ).one_or_none()
    if row is None:
        return None
    plan, facts, generator, backend, service_version = row
    try:
        return Work(
            plan=plan_of(plan),
            facts=facts_of(facts),
            generator=generator,
            backend=backend,
            service_version=service_version,
        )
    except (ValueError, PlanError):
        return None
