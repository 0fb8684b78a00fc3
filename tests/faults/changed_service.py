"""`soundproof serve` with one thing changed:  changed_service.py clock FILE | worker FAULT ARGUMENT

clock: the time of day is ahead by the seconds that FILE holds, whenever it is asked for. worker: workers have a fault
of tests/engine/faulty_worker.py.
"""

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from functools import partial
from pathlib import Path
from typing import Self

FAULTY_WORKER = Path(__file__).parents[1] / "engine" / "faulty_worker.py"


def main(what: str, *arguments: str) -> None:
    if what == "clock":
        set_clock(Path(arguments[0]))
    else:
        set_worker((sys.executable, str(FAULTY_WORKER), *arguments))
    from soundproof import cli  # noqa: PLC0415  (nothing may have taken hold of the clock before it is changed)

    sys.argv = ["soundproof", "serve"]
    cli.main()


def set_clock(file: Path) -> None:
    """For time.time, wherever it is imported from now on, and for the datetimes that the service makes of today."""
    real: Callable[[], float] = time.time

    def told() -> float:
        return real() + float(file.read_text() or 0)

    class Told(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = UTC) -> Self:
            return cls.fromtimestamp(told(), tz)

    setattr(time, "time", told)  # noqa: B010
    from soundproof.api.jobs import view  # noqa: PLC0415
    from soundproof.smoothing import issue  # noqa: PLC0415

    for module in (view, issue):
        setattr(module, "datetime", Told)  # noqa: B010


def set_worker(command: tuple[str, ...]) -> None:
    from soundproof.api import app  # noqa: PLC0415

    setattr(app, "create_app", partial(app.create_app, worker_command=command))  # noqa: B010


if __name__ == "__main__":
    main(*sys.argv[1:])
