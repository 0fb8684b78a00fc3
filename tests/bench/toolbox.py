"""The peer: randomized smoothing of IBM's Adversarial Robustness Toolbox (ART), used as its documentation shows.

ART certifies with CERTIFY of Cohen et al. 2019 too: n0 votes to select, n to estimate, Clopper and Pearson's bound. It
draws the noise of all n votes at once, float64, before the first is cast, and hands them to the network through torch's
DataLoader; its answer has no counts, so they are read where it makes them. Installed in a folder of its own
(`make bench-peers`), which only this peer's process has on its path.
"""

import numpy as np
from art.estimators.certification.randomized_smoothing import PyTorchRandomizedSmoothing
from tests.bench.case import Case, Outcome
from torch import Tensor, nn

BATCH = 32  # the default of ART's certify


def certify(network: nn.Module, x: Tensor, case: Case, classes: int, batch: int = BATCH) -> Outcome:
    """`x`: (time,) float32; `batch`: noise samples that the network is given at a time."""
    smoothing = PyTorchRandomizedSmoothing(
        model=network,
        loss=nn.CrossEntropyLoss(),  # asked for, not used: nothing is trained
        input_shape=tuple(x.shape),
        nb_classes=classes,
        device_type="cpu",
        sample_size=case.n0,
        scale=case.sigma,
        alpha=case.alpha,
    )
    counts: list[list[int]] = []
    draw = smoothing._prediction_counts

    def kept(*args: object, **kwargs: object) -> object:
        drawn = draw(*args, **kwargs)
        counts.append([int(count) for count in drawn])
        return drawn

    smoothing._prediction_counts = kept
    predictions, radii = smoothing.certify(np.expand_dims(x.numpy(), 0), n=case.n, batch_size=batch)
    selection, estimation = counts
    top = selection.index(max(selection))
    return Outcome(
        top=top,
        count=estimation[top],
        n=case.n,
        votes=sum(selection) + sum(estimation),
        radius=float(radii[0]) if predictions[0] >= 0 else None,
    )
