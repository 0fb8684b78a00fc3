"""What came of checking a certificate: named checks, each with a sentence, and what they amount to."""

from collections.abc import Iterable
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from soundproof.printable import printable

CheckName = Literal["document", "signature", "audio", "model", "seed", "votes", "derived", "rerun", "fresh"]
Result = Literal["passed", "failed", "skipped"]
NAMES: tuple[CheckName, ...] = (
    "document",
    "signature",
    "audio",
    "model",
    "seed",
    "votes",
    "derived",
    "rerun",
    "fresh",
)
# Whoever can write JSON and has the clip can pass all the others.
EVIDENCE: tuple[CheckName, ...] = ("signature", "rerun", "fresh")
# Characters of a sentence, which may quote what others have written.
MOST_DETAIL = 1500


class Check(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: CheckName = Field(description="docs/verify.md says what each proves")
    result: Result
    detail: str = Field(description="a sentence: what was found, or why it was not looked for")

    @classmethod
    def of(cls, name: CheckName, result: Result, detail: str) -> Self:
        """`detail` may quote the document: what cannot be printed is replaced, what is too long is cut."""
        shown = printable(detail)
        return cls(name=name, result=result, detail=shown if len(shown) <= MOST_DETAIL else f"{shown[:MOST_DETAIL]}...")


class Report(BaseModel):
    """The answer of POST /verify and of `soundproof verify`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    result: Literal["passed", "failed", "inconclusive"] = Field(
        description="failed: some check failed. inconclusive: none did, but none of signature, rerun and fresh was "
        "made, without which anybody could have written the document. passed: the rest"
    )
    summary: str = Field(description="the same in a sentence")
    certificate_id: str | None = Field(description="as the document says it; null where that cannot be read")
    statement: str | None = Field(description="what the certificate claims, as the document says it; or null")
    checks: list[Check] = Field(description="in this order: " + ", ".join(NAMES))

    @classmethod
    def of(cls, checks: Iterable[Check], certificate_id: str | None, statement: str | None) -> Self:
        """Checks that are not among these are skipped, as of no use where the document cannot be read."""
        given = {check.name: check for check in checks}
        missing = "The document cannot be read."
        found = [given.get(name) or Check.of(name, "skipped", missing) for name in NAMES]
        by_result = {
            result: [check.name for check in found if check.result == result]
            for result in ("passed", "failed", "skipped")
        }
        skipped = f" Skipped: {', '.join(by_result['skipped'])}." if by_result["skipped"] else ""
        result: Literal["passed", "failed", "inconclusive"]
        if by_result["failed"]:
            result, summary = "failed", f"Failed: {', '.join(by_result['failed'])}.{skipped}"
        elif set(EVIDENCE) & set(by_result["passed"]):
            result, summary = "passed", f"Every check that was made has passed.{skipped}"
        else:
            result = "inconclusive"
            summary = f"No check failed, but nothing shows that the votes were ever drawn.{skipped}"
        return cls(
            result=result,
            summary=summary,
            certificate_id=certificate_id,
            statement=None if statement is None else printable(statement)[:MOST_DETAIL],
            checks=found,
        )

    def check(self, name: CheckName) -> Check:
        return next(check for check in self.checks if check.name == name)
