"""kill -9 in the middle of everything: what was acknowledged is there, and what was half done is not."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import ROOT
from tests.store.made import certificate, claimed, job, votes_of, work

from soundproof.smoothing.certification import Certification
from soundproof.store.states import State
from soundproof.store.store import Store

CLIPS = 4
MESSAGE = 2  # blocks

# Works until it is killed, and says what it has been told is kept.
WORKER = """
import sys
from tests.store.made import certificate, job, votes_of, work
from soundproof.smoothing.certification import Certification
from soundproof.store.store import Store

store = Store(sys.argv[1])
store.clips.recover()
print("open", flush=True)
submitted = 0
while True:
    claim = store.clips.claim()
    if claim is None:
        submitted += 1
        print("submitted", store.jobs.submit(job(4)).job.id, flush=True)
        continue
    certification = Certification(work().plan)
    if store.clips.begin(claim, work()) and claim.begun:
        for block, votes in claim.begun.votes:
            certification.record(block, votes)
    while wanted := certification.wanted()[:2]:
        votes = [(block, votes_of(work().plan, block)) for block in wanted]
        store.clips.record(claim, votes)
        for block, vote in votes:
            certification.record(block, vote)
            print("voted", claim.clip_id, int(block.stage), block.index, flush=True)
    store.clips.finish(claim, certificate(claim.clip_id, words=repr(certification.outcome())))
    print("finished", claim.clip_id, flush=True)
"""


def worked_until_killed(url: str, lines: int) -> list[list[str]]:
    """What a worker said before it was killed, at the earliest after so many lines."""
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'models'}"}
    command = [sys.executable, "-c", WORKER, url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(lines)]
        process.kill()
        said += process.stdout.readlines()
    return [line.split() for line in said if line.endswith("\n")]


def test_nothing_acknowledged_is_lost_when_the_process_is_killed(url: str) -> None:
    undisturbed = Certification(work().plan)
    for block in undisturbed.wanted():
        undisturbed.record(block, votes_of(work().plan, block))
    expected = repr(undisturbed.outcome())
    when = random.Random(url)  # noqa: S311
    submitted: set[str] = set()
    finished: set[int] = set()
    for _ in range(4):
        said = worked_until_killed(url, when.randint(3, 25))
        submitted |= {words[1] for words in said if words[0] == "submitted"}
        finished |= {int(words[1]) for words in said if words[0] == "finished"}
        voted = {tuple(map(int, words[1:])) for words in said if words[0] == "voted"}
        with Store(url) as store:
            assert store.conservation.faults() == ()
            tally = store.conservation.tally()
            assert tally.conserved
            assert submitted <= (jobs := {each for each in submitted if store.jobs.get(each)})
            # One more of each may have been kept than it had the time to say.
            assert len(jobs) <= tally.jobs.total <= len(jobs) + 1
            assert len(finished) <= tally.clips.done <= len(finished) + 1
            finished |= certified(store, jobs, expected)
            store.clips.recover()
            kept = [claim for claim in iter(store.clips.claim, None) if claim.begun]
            assert {
                (claim.clip_id, int(block.stage), block.index)
                for claim in kept
                if claim.begun
                for block, _ in claim.begun.votes
            } >= {vote for vote in voted if vote[0] not in finished}
            for claim in kept:
                assert claim.begun is not None
                assert all(votes == votes_of(work().plan, block) for block, votes in claim.begun.votes)
            submitted |= {claim.job_id for claim in kept}
    assert finished


def certified(store: Store, jobs: set[str], expected: str) -> set[int]:
    """The clips that are done, whose certificates have to be those of an undisturbed run."""
    done = set()
    for job_id in jobs:
        first = None
        for result in store.results.each(job_id):
            assert result.state is State.DONE
            assert result.certificate is not None
            assert expected.encode() in result.certificate.replace(b'\\"', b'"')
            first = result.position if first is None else first
            done.add(result.position)
    return set() if not done else clip_ids(store, jobs)


def clip_ids(store: Store, jobs: set[str]) -> set[int]:
    from sqlalchemy import select

    from soundproof.store.schema import ClipRow

    with store.database.reading() as connection:
        done = select(ClipRow.id).where(ClipRow.job_id.in_(jobs), ClipRow.state == State.DONE)
        return set(connection.execute(done).scalars())
