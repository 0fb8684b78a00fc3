"""soundproof gate: a suite in, a verdict and reports out."""

import asyncio
import logging
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from typer.core import TyperCommand

from soundproof.access import Url, client_of
from soundproof.client.async_client import AsyncClient
from soundproof.client.gate.audio import check_formats
from soundproof.client.gate.choice import Choice
from soundproof.client.gate.comparison import Comparison, check_comparable
from soundproof.client.gate.decision import Bar, Decision, Outcome
from soundproof.client.gate.faults import ServiceFault, SuiteFault
from soundproof.client.gate.journal import Journal, PastRun, read_run
from soundproof.client.gate.model import question_for
from soundproof.client.gate.outputs import Outputs
from soundproof.client.gate.page import WORST
from soundproof.client.gate.progress import GateProgress
from soundproof.client.gate.question import FEATURE
from soundproof.client.gate.report import VERDICTS, Report
from soundproof.client.gate.run import Run
from soundproof.client.gate.suite import Suite, read_suite
from soundproof.client.patience import Patience
from soundproof.errors import SoundproofError
from soundproof.terminal import complain, errors

log = logging.getLogger("soundproof.gate")

# Not the other commands' codes: 1 and 2 are verdicts here. 64 is EX_USAGE of sysexits.h, 130 a shell's own for SIGINT.
INFRASTRUCTURE, USAGE, INTERRUPTED = 3, 64, 130
CODES = {Outcome.PASS: 0, Outcome.FAIL: 1, Outcome.UNDECIDED: 2}
DEFAULT_ALPHA = 0.001


class GateCommand(TyperCommand):
    """A wrong option exits 64: 2, which it is elsewhere, is a verdict of the gate."""

    def make_context(self, *arguments: Any, **more: Any) -> Any:
        try:
            return super().make_context(*arguments, **more)
        except Exception as error:
            if getattr(error, "exit_code", None) == 2:
                error.exit_code = USAGE  # type: ignore[attr-defined]
            raise


def gate(  # noqa: PLR0913  (one parameter per option)
    suite: Annotated[Path, typer.Argument(help="A folder by class, a manifest (CSV, JSONL), or a folder with one.")],
    min_certified_accuracy: Annotated[
        float, typer.Option(min=0, max=1, help="Share of clips that must be certified and right, such as 0.9.")
    ],
    at_snr: Annotated[float | None, typer.Option(help="dB. Certified down to this SNR of the waveform.")] = None,
    at_radius: Annotated[float | None, typer.Option(min=0, help="Instead: within this l2 radius.")] = None,
    contract: Annotated[str, typer.Option(help="waveform, feature or post_processed.")] = "waveform",
    curve: Annotated[
        bool, typer.Option("--curve", help="Ask for the largest radius of every clip: more votes, and a curve.")
    ] = False,
    url: Url = None,
    model: Annotated[str | None, typer.Option(help="A name from `soundproof models`.")] = None,
    transform: Annotated[str | None, typer.Option(help="fixed, rms, clip, peak or peak_clean.")] = None,
    sigma: Annotated[float | None, typer.Option(help="Noise; the model's recommended value unless told.")] = None,
    n0: Annotated[int | None, typer.Option(help="Selection votes; default 100.")] = None,
    n: Annotated[int | None, typer.Option(help="The most estimation votes a clip; default 10000.")] = None,
    alpha: Annotated[float, typer.Option(help="Failure probability; of what, --alpha-for says.")] = DEFAULT_ALPHA,
    alpha_for: Annotated[str, typer.Option(help="each certificate, or all of them at once (Bonferroni).")] = "each",
    bound: Annotated[str | None, typer.Option(help="clopper_pearson or multiclass; not for gates.")] = None,
    noise: Annotated[str | None, typer.Option(help="float or lattice.")] = None,
    precision: Annotated[str | None, typer.Option(help="float32 or bfloat16.")] = None,
    seed: Annotated[int | None, typer.Option(help="Repeat a run; marks certificates seed_source: caller.")] = None,
    confidence: Annotated[
        float,
        typer.Option(min=0, max=0.999999, help="Of the verdict: false certificates are allowed for; 0: none are."),
    ] = 0.95,
    split: Annotated[str | None, typer.Option(help="Of a data set: a split or fold of its index, or all.")] = None,
    per_class: Annotated[int | None, typer.Option(min=1, help="At most so many clips of a class.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many clips.")] = None,
    choice_seed: Annotated[int, typer.Option(help="Chooses other clips with --per-class and --limit.")] = 0,
    baseline: Annotated[
        Path | None, typer.Option(help="An earlier run's JSONL: fails where this one is worse.")
    ] = None,
    max_regression: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Drop in certified accuracy to put up with; default: any not significant."),
    ] = None,
    jsonl: Annotated[Path | None, typer.Option(help="Every certificate; an interrupted run goes on from it.")] = None,
    junit: Annotated[Path | None, typer.Option(help="A test case per clip, for CI systems.")] = None,
    markdown: Annotated[Path | None, typer.Option(help="A summary for the page of a CI job.")] = None,
    html: Annotated[Path | None, typer.Option(help="The report for people, one file.")] = None,
    worst: Annotated[int, typer.Option(min=0, help="So many of the worst clips can be heard in the HTML.")] = WORST,
    fresh: Annotated[bool, typer.Option("--fresh", help="Begin anew where --jsonl holds a run.")] = False,
    parallel: Annotated[int, typer.Option(min=1, max=64, help="Clips asked at a time.")] = 4,
    patience: Annotated[
        float, typer.Option(min=0, help="Seconds to wait in all for a busy service, per clip.")
    ] = 300.0,
) -> None:
    """Certify every clip of a suite and fail where too few hold at the SNR asked for.

    Exit codes: 0 pass, 1 fail, 2 undecided (too many clips undecided or abstained), 3 service, 64 options or suite,
    130 interrupted.
    """
    asked = {
        "contract": contract,
        "at_snr_db": at_snr,
        "at_radius": at_radius,
        "curve": curve,
        "transform": transform,
        "sigma": sigma,
        "n0": n0,
        "n": n,
        "bound": bound,
        "noise": noise,
        "precision": precision,
        "seed": seed,
    }
    outputs = Outputs(jsonl=jsonl, junit=junit, markdown=markdown, html=html, most_clips=worst)
    try:
        _check_target(asked, alpha_for, baseline, max_regression)
        clips = Choice(per_class, limit, choice_seed).of(read_suite(suite, split))
        check_formats([clip.path for clip in clips.clips])
        each = alpha if alpha_for == "each" else alpha / len(clips.clips)
        bar = Bar(min_certified_accuracy, confidence)
        bar.check(len(clips.clips), each)
        past = _baseline(baseline, outputs)
        outputs.prepare()
        held = _Gate(clips, asked | {"alpha": each}, bar, past, max_regression, outputs, fresh)
        report = asyncio.run(held.run(url, model, parallel, Patience(total_s=patience)))
        outputs.write(report, past)
    except SuiteFault as error:
        complain(f"{error}")
        raise typer.Exit(USAGE) from None
    except ModuleNotFoundError as error:
        complain(f"This installation is the client only ({error}). Install soundproof[service], or give --url.")
        raise typer.Exit(USAGE) from None
    except (ServiceFault, SoundproofError, ValidationError, OSError) as error:
        complain(f"{error}{_kept(jsonl)}")
        raise typer.Exit(INFRASTRUCTURE) from None
    except KeyboardInterrupt:
        complain(f"Interrupted.{_kept(jsonl)}")
        raise typer.Exit(INTERRUPTED) from None
    except Exception as error:
        # Never Python's own exit code for it, which is 1: that would be a verdict.
        log.exception("the gate failed")
        complain(f"A fault of the gate itself: {error!r}.{_kept(jsonl)}")
        raise typer.Exit(INFRASTRUCTURE) from None
    _tell(report, outputs)
    raise typer.Exit(CODES[report.outcome])


class _Gate:
    """One gate, from the model's name to the report."""

    def __init__(  # noqa: PLR0913
        self,
        suite: Suite,
        asked: dict[str, Any],
        bar: Bar,
        past: PastRun | None,
        max_regression: float | None,
        outputs: Outputs,
        fresh: bool,
    ) -> None:
        self._suite, self._asked, self._bar, self._past = suite, asked, bar, past
        self._max_regression, self._outputs, self._fresh = max_regression, outputs, fresh

    async def run(self, url: str | None, model: str | None, parallel: int, patience: Patience) -> Report:
        async with client_of(url) as client:
            return await self._with(client, model, parallel, patience)

    async def _with(self, client: AsyncClient, model: str | None, parallel: int, patience: Patience) -> Report:
        with GateProgress(errors, len(self._suite.clips)) as progress:
            question = await question_for(client, model, self._suite, self._asked, patience, progress.tell)
            if self._past is not None:
                check_comparable(self._past, question)
            journal = Journal.opened(self._outputs.jsonl, question, fresh=self._fresh)
            run = Run(client, question, journal, parallel, patience, progress.watch(question), progress.tell)
            results = await run.of(self._suite.clips)
        journal.finish(results)
        comparison = None
        if self._past is not None:
            comparison = Comparison.of(self._past, results, question, self._max_regression)
        title = f"{question.model} {question.model_version or ''}".strip() + f" on {len(results):,} clips"
        decision = Decision.of(self._bar, results, question)
        return Report(title, self._suite, question, results, decision, comparison)


def _check_target(asked: dict[str, Any], alpha_for: str, baseline: Path | None, max_regression: float | None) -> None:
    at_snr, at_radius = asked["at_snr_db"], asked["at_radius"]
    if (at_snr is None) == (at_radius is None):
        raise SuiteFault("Say what the clips are asked for: --at-snr in dB, or --at-radius; one of them.")
    if asked["contract"] == FEATURE and at_snr is not None:
        raise SuiteFault("Features have no SNR: with --contract feature ask for --at-radius.")
    if at_radius == 0:
        raise SuiteFault("--at-radius must be positive.")
    if alpha_for not in ("each", "all"):
        raise SuiteFault(f"--alpha-for is {alpha_for!r}; it is each or all.")
    if max_regression is not None and baseline is None:
        raise SuiteFault("--max-regression is a drop from --baseline: give both.")


def _baseline(path: Path | None, outputs: Outputs) -> PastRun | None:
    if path is None:
        return None
    if outputs.jsonl is not None and outputs.jsonl.resolve() == path.resolve():
        raise SuiteFault(
            "--baseline and --jsonl are one file: this run would be written over what it is compared with."
        )
    past = read_run(path)
    if past is None:
        raise SuiteFault(f"The baseline {path} holds no run.")
    return past


def _kept(jsonl: Path | None) -> str:
    """What an unfinished run leaves."""
    if jsonl is None:
        return " Nothing was kept; with --jsonl a run can go on where it ended."
    return f" What was answered is in {jsonl}: the same command goes on from there." if jsonl.exists() else ""


def _tell(report: Report, outputs: Outputs) -> None:
    colour = {Outcome.PASS: "green", Outcome.FAIL: "red", Outcome.UNDECIDED: "yellow"}[report.outcome]
    for text in (f"{VERDICTS[report.outcome]}: {report.headline}", *report.reasons):
        errors.print(text, style=colour, markup=False, highlight=False, soft_wrap=True)
    for text in (report.accuracy_claim, report.regression, *outputs.written()):
        if text:
            errors.print(text, markup=False, highlight=False, soft_wrap=True)
