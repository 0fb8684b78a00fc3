"""kill -9 in the middle of everything: what was acknowledged is there, and what was half done is not."""

import json
import os
import random
import subprocess
import sys

from sqlalchemy import select
from tests.conftest import ROOT
from tests.store.made import votes_of, work

from soundproof.smoothing.certification import Certification
from soundproof.store.schema import ClipRow, VotesRow
from soundproof.store.states import State
from soundproof.store.store import Store

CLIPS = 4  # of a job

# Works until it is killed, and says what it has been told is kept.
WORKER = """
import sys
from tests.store.made import certificate, job, votes_of, work
from soundproof.smoothing.certification import Certification
from soundproof.store.store import Store

store = Store(sys.argv[1])
store.clips.recover()
print("open", flush=True)
while True:
    claim = store.clips.claim()
    if claim is None:
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


def undisturbed() -> str:
    """The outcome of the same certification when nothing happens, to the last digit."""
    certification = Certification(work().plan)
    for block in certification.wanted():
        certification.record(block, votes_of(work().plan, block))
    return repr(certification.outcome())


def test_nothing_acknowledged_is_lost_when_the_process_is_killed(url: str) -> None:
    when = random.Random(7)  # noqa: S311
    said: list[list[str]] = []
    finished: set[int] = set()
    for _ in range(4):
        said += worked_until_killed(url, when.randint(6, 25))
        with Store(url) as store:
            assert store.conservation.faults() == ()
            assert store.conservation.tally().conserved
            for job_id in [words[1] for words in said if words[0] == "submitted"]:
                assert store.jobs.get(job_id).clips.total == CLIPS
                for result in store.results.each(job_id):
                    assert result.certificate is not None
                    assert json.loads(result.certificate)["statement"] == undisturbed()
            with store.database.reading() as connection:
                done = select(ClipRow.id).where(ClipRow.state == State.DONE)
                finished = set(connection.execute(done).scalars())
                kept = {
                    tuple(row) for row in connection.execute(select(VotesRow.clip_id, VotesRow.stage, VotesRow.block))
                }
            assert finished >= {int(words[1]) for words in said if words[0] == "finished"}
            voted = {(int(words[1]), int(words[2]), int(words[3])) for words in said if words[0] == "voted"}
            assert kept >= {vote for vote in voted if vote[0] not in finished}
    assert len(finished) > CLIPS // 2
