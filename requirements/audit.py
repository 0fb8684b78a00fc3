"""Are there known vulnerabilities in what is pinned?  python requirements/audit.py [--osv-url URL] [FILE ...]

Asks the advisory database OSV (https://osv.dev) about every package of the files, with pip-audit; nothing is resolved
or installed. Exit status: 0 none is known, or none that requirements/audit.toml does not answer for; 1 there is one; 2
the question could not be put (a file that is not pinned with hashes, an entry of audit.toml that is wrong or has
expired). A database that does not answer is a warning and exit status 0: `make check` works without a network, and a
build that has to know gives --strict.
"""

import argparse
import json
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
FILES = (HERE / "service.txt", HERE / "dev.txt")
EXCEPTIONS = HERE / "audit.toml"
OSV = "https://api.osv.dev/v1/query"
TIMEOUT_S = 15
FOUND, WRONG = 1, 2
# What pip-audit ends with where the database cannot be had, as against a question that is wrong.
UNANSWERED = ("requests.exceptions.", "pip_audit._service.interface.", "ERROR:pip_audit._cli:Tip: your network")


class WrongQuestion(Exception):
    """What was asked cannot be answered; its text says why."""


@dataclass(frozen=True)
class Accepted:
    """A vulnerability that does not concern this service, why not, and until when that is believed."""

    id: str
    reason: str
    until: date


@dataclass(frozen=True)
class Vulnerability:
    package: str
    version: str
    ids: tuple[str, ...]  # the database's own first, then those of others for the same
    fixed_in: tuple[str, ...]

    def __str__(self) -> str:
        fix = f"fixed in {', '.join(self.fixed_in)}" if self.fixed_in else "no version with a fix is known"
        return f"{self.package} {self.version}: {' = '.join(self.ids)}; {fix}"


def main() -> int:
    asked = arguments()
    try:
        accepted = read_accepted(asked.exceptions, datetime.now(UTC).date())
        found = [each for file in asked.files for each in vulnerabilities(file, asked.osv_url)]
    except WrongQuestion as error:
        print(f"audit: {error}", file=sys.stderr)
        return WRONG
    except ConnectionError as error:
        print(f"audit: WARNING: nothing was checked, {asked.osv_url} does not answer ({error})", file=sys.stderr)
        return FOUND if asked.strict else 0
    open_ones = [each for each in dict.fromkeys(found) if not accepted.keys() & set(each.ids)]
    for vulnerability in open_ones:
        print(f"audit: {vulnerability}", file=sys.stderr)
    unused = accepted.keys() - {id_ for each in found for id_ in each.ids}
    for id_ in sorted(unused):
        print(f"audit: {asked.exceptions.name}: {id_} is not found any more; take it out", file=sys.stderr)
    if not open_ones:
        print(f"audit: nothing known of {', '.join(file.name for file in asked.files)} but {len(accepted)} accepted")
    return FOUND if open_ones else 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, default=FILES, metavar="FILE")
    parser.add_argument("--exceptions", type=Path, default=EXCEPTIONS)
    parser.add_argument("--osv-url", default=OSV)
    parser.add_argument("--strict", action="store_true", help="a database that does not answer is a failure")
    return parser.parse_args()


def read_accepted(file: Path, today: date) -> dict[str, Accepted]:
    """By id. WrongQuestion where one has expired, or has no reason."""
    accepted = {}
    for entry in tomllib.loads(file.read_text()).get("accepted", []):
        try:
            each = Accepted(**entry)
        except TypeError as error:
            raise WrongQuestion(f"{file.name}: an entry needs id, reason and until, and no more") from error
        if not isinstance(each.until, date) or not (isinstance(each.reason, str) and each.reason.strip()):
            raise WrongQuestion(f"{file.name}: {each.id} needs a reason, and a date until which it is accepted")
        if each.until < today:
            raise WrongQuestion(f"{file.name}: {each.id} was accepted until {each.until}: look at it again")
        accepted[each.id] = each
    return accepted


def vulnerabilities(file: Path, osv_url: str) -> list[Vulnerability]:
    """What is known of the packages of a file of requirements. ConnectionError, WrongQuestion."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(file), "--require-hashes", "--disable-pip"]
    options = ["--progress-spinner", "off", "--format", "json", "--timeout", str(TIMEOUT_S)]
    service = ["--vulnerability-service", "osv", "--osv-url", osv_url]
    done = subprocess.run([*command, *options, *service], capture_output=True, text=True, check=False)  # noqa: S603
    if not done.stdout.strip():
        reason = (done.stderr.strip() or "pip-audit said nothing").splitlines()[-1]
        if reason.startswith(UNANSWERED):
            raise ConnectionError(reason.partition(":")[0])
        raise WrongQuestion(f"{file.name}: {reason}")
    return [
        Vulnerability(package["name"], package["version"], (each["id"], *each["aliases"]), tuple(each["fix_versions"]))
        for package in _packages(file, done.stdout)
        for each in package["vulns"]
    ]


def _packages(file: Path, answer: str) -> list[dict[str, Any]]:
    packages: list[dict[str, Any]] = json.loads(answer)["dependencies"]
    for package in packages:
        if "skip_reason" in package:
            raise WrongQuestion(f"{file.name}: {package['name']}: {package['skip_reason']}")
    return packages


if __name__ == "__main__":
    sys.exit(main())
