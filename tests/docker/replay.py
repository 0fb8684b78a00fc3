"""Replays docker/Dockerfile where there is no Docker: python -m tests.docker.replay [--target cpu] [--keep FOLDER]

Every stage becomes an overlay over this machine's own system, in which its RUN lines run as root; then the entry point
runs as the image's user, without capabilities, on a root file system that is read-only, until its HEALTHCHECK succeeds,
and is asked for a certificate. All lines are read from the Dockerfile. Needs root, a Linux with overlay mounts, the
package registry, and 15 GB of disk.

What it cannot show: the base image, in whose place this machine's system and Python stand, and Docker itself.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.docker.container import VOLUME, Container
from tests.docker.dockerfile import chain, stages
from tests.docker.image import Image


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--target", default="cpu", choices=["cpu", "cuda"])
    options.add_argument("--keep", type=Path, help="a folder whose overlays and pip cache are used again the next time")
    options.add_argument("--mirror", type=Path, help="a folder of packages that pip's configuration names, if it does")
    given = options.parse_args()
    if os.environ.get("REPLAY_INSIDE") != "1":
        # Mounts and processes of its own: both are gone with it, however it ends.
        namespaces = ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        command = ["unshare", *namespaces, sys.executable, "-m", "tests.docker.replay", *sys.argv[1:]]
        sys.exit(subprocess.run(command, env=os.environ | {"REPLAY_INSIDE": "1"}, check=False).returncode)
    if given.keep:
        replay(given.target, given.keep, given.mirror)
        return
    with tempfile.TemporaryDirectory(prefix="replay-") as folder:
        replay(given.target, Path(folder), given.mirror)


def replay(target: str, folder: Path, mirror: Path | None = None) -> None:
    of = stages()
    shutil.rmtree(folder / VOLUME, ignore_errors=True)
    image = Image(folder, of, mirror)
    image.build(target)
    for stage in chain(target, of):
        print(f"stage {stage.name}: {image.size_mib(stage.name)} MiB", flush=True)
    answers = []
    for start in ("the first start", "a restart on the same volume"):
        with Container(image, target) as container:
            container.wait_until_healthy()
            container.hold_to_its_promises()
            answers.append(container.certify())
            code = container.stop()
        print(f"{start}: healthy, certificate {answers[-1]}, ended with {code}", flush=True)
    assert len(set(answers)) == 1, "the volume has not kept the certificate"


if __name__ == "__main__":
    main()
