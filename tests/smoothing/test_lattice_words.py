"""What a certificate says of the kind of its noise."""

from dataclasses import replace

import pytest
from tests.smoothing.issuing import ABSTAINED, NORM, document, plan_of

from soundproof.smoothing.plan import ContractName, NoiseName

MEANT = (
    " The classifier meant is the one that is computed: each number given to it is rounded to a multiple of 2^-29, "
    "Gaussian noise rounded likewise is added without error, and what follows takes the sum in float32; the distance "
    "allows for the rounding to multiples."
)


@pytest.mark.parametrize("contract", ContractName)
def test_a_certificate_of_lattice_noise_says_which_classifier_is_meant_and_what_that_cost(
    contract: ContractName,
) -> None:
    plan = replace(plan_of(contract), noise=NoiseName.LATTICE)
    found = document(plan)
    assert found["statement"] == document(plan_of(contract))["statement"] + MEANT
    perturbation = found["contract"]["perturbation"]
    assert perturbation["noise"] == "lattice"
    assert perturbation["step"] == 2.0**-29
    assert perturbation["radius_slack"] == plan.slack.distance == pytest.approx(2.0**-29 * NORM)
    assert perturbation["error_slack"] == plan.slack.error > 0
    assert found["radius_ceiling"] == plan.radius_ceiling < document()["radius_ceiling"] - perturbation["radius_slack"]
    if contract is not ContractName.FEATURE:
        assert found["snr_floor_db"] > document()["snr_floor_db"]
    assert MEANT not in document(plan, outcome=ABSTAINED)["statement"]


def test_a_certificate_of_float_noise_claims_no_slack() -> None:
    perturbation = document()["contract"]["perturbation"]
    assert perturbation["noise"] == "float"
    assert [perturbation[key] for key in ("step", "radius_slack", "error_slack")] == [None] * 3
