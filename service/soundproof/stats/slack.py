"""What a bound and a radius give up where noise and point are not quite those of the theorem."""

from dataclasses import dataclass

from soundproof.stats.rounding import round_down, round_up


@dataclass(frozen=True)
class Slack:
    """`error`: how much likelier an event may be under the theorem's noise than under the noise that is drawn.
    `distance`: how much shorter the radius around the clip is than that around the point the noise is drawn at, l2.
    Without either, numbers stay as they are, to the last bit."""

    error: float = 0.0
    distance: float = 0.0

    def widened(self, upper: float) -> float:
        """From an upper bound of a probability under the noise that is drawn to one under the theorem's: at most 1."""
        return min(1.0, round_up(upper + self.error)) if self.error else upper

    def narrowed(self, lower: float) -> float:
        """The other way: from a lower bound under the theorem's noise to one under the noise drawn; at least 0."""
        return max(0.0, round_down(lower - self.error)) if self.error else lower

    def lessened(self, radius: float | None) -> float | None:
        """From a radius around the point where the noise is drawn to one around the clip; None where none is left."""
        if radius is None or not self.distance:
            return radius
        left = round_down(radius - self.distance)
        return left if left > 0 else None

    def enlarged(self, radius: float) -> float:
        """The other way: what must hold around that point so that `radius` holds around the clip."""
        return round_up(radius + self.distance) if self.distance else radius


NO_SLACK = Slack()
