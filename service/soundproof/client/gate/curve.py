"""Certified accuracy against SNR, or radius: what holds how far, as steps and as an SVG drawing.

Every clip has one certificate, of its largest radius; the allowance for false ones is the same at every point of the
curve, so the lower curve holds everywhere at once. No colours here: classes, which the page styles for light and dark.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from soundproof.client.gate.question import Question
from soundproof.client.gate.result import Result

WIDTH, HEIGHT = 760, 340
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 16, 16, 48
_TICKS = (1.0, 2.0, 2.5, 5.0, 10.0)
_WANTED_TICKS = 7


@dataclass(frozen=True)
class Curve:
    """`reached`: for every clip certified and right, how far: SNRs in dB, or radii negated, so that smaller is further.
    Sorted. `clips`: all."""

    reached: tuple[float, ...]
    clips: int

    @classmethod
    def of(cls, results: Sequence[Result], question: Question) -> "Curve":
        right = [r.certificate for r in results if r.certificate and r.certificate["correct"] and r.answer]
        if question.at_snr_db is not None:
            return cls(tuple(sorted(c["snr_cert_db"] for c in right if c["snr_cert_db"] is not None)), len(results))
        return cls(tuple(sorted(-c["radius"] for c in right)), len(results))

    def held(self, at: float) -> int:
        """The clips that hold there."""
        return bisect_right(self.reached, at)

    def steps(self, low: float, high: float, allowance: int = 0) -> list[tuple[float, float]]:
        """Points (place, share) from the weak end, `high`, to the strong end, `low`; each step a corner of two."""
        corners = [place for place in self.reached if low < place < high]
        points = [(high, self._share(self.held(high), allowance))]
        for place in reversed(corners):
            points.append((place, points[-1][1]))
            points.append((place, self._share(bisect_right(self.reached, math.nextafter(place, -math.inf)), allowance)))
        points.append((low, points[-1][1]))
        return points

    def _share(self, held: int, allowance: int) -> float:
        return max(0, held - allowance) / max(1, self.clips)


@dataclass(frozen=True)
class Drawing:
    """`allowance`: clips taken off the lower curve; `before`: the baseline's curve, on all of its own clips."""

    question: Question
    now: Curve
    before: Curve | None
    allowance: int
    least: float

    def svg(self) -> str:
        """The drawing, weak perturbations left, strong ones right."""
        low, high = self._range()
        lines = [
            f'<svg class="curve" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{self._label()}">',
            *self._axes(low, high),
            f'<path class="band" d="{self._band(low, high)}"/>',
        ]
        if self.before is not None:
            lines.append(f'<path class="line before" d="{self._path(self.before.steps(low, high), low, high)}"/>')
        lines.append(f'<path class="line now" d="{self._path(self.now.steps(low, high), low, high)}"/>')
        return "\n".join([*lines, *self._bar(low, high), "</svg>"])

    @property
    def _target(self) -> float:
        return self.question.at_snr_db if self.question.at_snr_db is not None else -(self.question.at_radius or 0.0)

    def _range(self) -> tuple[float, float]:
        places = [*self.now.reached, *(self.before.reached if self.before else ()), self._target]
        if self.question.at_snr_db is None:
            places.append(0.0)
        low, high = min(places), max(places)
        margin = max(0.06 * (high - low), 1e-3 * abs(high), 1e-9)
        return low - margin, high if self.question.at_snr_db is None else high + margin

    def _x(self, place: float, low: float, high: float) -> float:
        return _LEFT + (high - place) / (high - low) * (WIDTH - _LEFT - _RIGHT)

    @staticmethod
    def _y(share: float) -> float:
        return _TOP + (1 - share) * (HEIGHT - _TOP - _BOTTOM)

    def _path(self, points: Sequence[tuple[float, float]], low: float, high: float) -> str:
        return "M" + " L".join(f"{self._x(x, low, high):.2f} {self._y(y):.2f}" for x, y in points)

    def _band(self, low: float, high: float) -> str:
        above = self.now.steps(low, high)
        below = self.now.steps(low, high, self.allowance)
        return self._path([*above, *reversed(below)], low, high) + " Z"

    def _axes(self, low: float, high: float) -> list[str]:
        bottom, right = HEIGHT - _BOTTOM, WIDTH - _RIGHT
        lines = []
        for tenth in range(0, 11, 2):
            y = self._y(tenth / 10)
            lines.append(f'<line class="grid" x1="{_LEFT}" x2="{right}" y1="{y:.2f}" y2="{y:.2f}"/>')
            lines.append(f'<text class="tick" x="{_LEFT - 8}" y="{y + 4:.2f}" text-anchor="end">{tenth * 10} %</text>')
        for place in ticks(low, high):
            x = self._x(place, low, high)
            name = f"{place + 0.0:.10g}" if self.question.at_snr_db is not None else f"{abs(place):.10g}"
            lines.append(f'<line class="mark" x1="{x:.2f}" x2="{x:.2f}" y1="{bottom}" y2="{bottom + 5}"/>')
            lines.append(f'<text class="tick" x="{x:.2f}" y="{bottom + 19}" text-anchor="middle">{name}</text>')
        title = "SNR of the perturbation, dB (stronger to the right)"
        if self.question.at_snr_db is None:
            title = "l2 radius in the certified space"
        lines.append(
            f'<text class="name" x="{(_LEFT + right) / 2}" y="{HEIGHT - 8}" text-anchor="middle">{title}</text>'
        )
        lines.append(f'<line class="axis" x1="{_LEFT}" x2="{right}" y1="{bottom}" y2="{bottom}"/>')
        return lines

    def _bar(self, low: float, high: float) -> list[str]:
        """What is asked for: so much, there."""
        x, y = self._x(self._target, low, high), self._y(self.least)
        share = self._y(self.now.held(self._target) / max(1, self.now.clips))
        return [
            f'<path class="asked" d="M{_LEFT} {y:.2f} L{x:.2f} {y:.2f} L{x:.2f} {HEIGHT - _BOTTOM}"/>',
            f'<circle class="found" cx="{x:.2f}" cy="{share:.2f}" r="4.5"/>',
        ]

    def _label(self) -> str:
        held = self.now.held(self._target)
        return f"Certified accuracy by strength; {held} of {self.now.clips} clips at {self.question.target}"


def ticks(low: float, high: float) -> list[float]:
    """Round numbers within a range, a handful of them.

    >>> ticks(55.0, 78.0)
    [55.0, 60.0, 65.0, 70.0, 75.0]
    """
    raw = (high - low) / _WANTED_TICKS
    unit = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * unit for factor in _TICKS if factor * unit >= raw)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]
