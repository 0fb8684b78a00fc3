"""Figures from rows, against what they are by hand."""

import statistics

import pytest
from tests.models.made_rows import N, certificate, clean, shape_of

import summary
from rows import CertificateRow, Row
from soundproof.stats.radius import radius_ceiling
from summary import groups


def test_the_spread_is_the_sample_standard_deviation_over_runs() -> None:
    """Runs of 100 %, 50 % and 0 %: mean 50, deviations 50, 0, -50, so sqrt(5000 / 2) = 50."""
    answers = {1: ("up", "up"), 2: ("up", "go"), 3: ("go", "go")}
    rows = [
        clean("up", answer, seed=seed, clip=f"a/{i}") for seed, two in answers.items() for i, answer in enumerate(two)
    ]
    share = summary.share(rows)
    assert (share.percent, share.spread, share.runs) == (50.0, 50.0, 3)
    assert str(share) == "50.0 ± 50.0"


def test_folds_are_runs_too_and_each_weighs_the_same() -> None:
    """Three clips in one fold, one in the other: (100/3 * 2 + 0) / 2, not 2 of 4."""
    rows = [clean("rain", "rain", dataset="esc-10", fold=1, clip=f"a/{i}") for i in range(2)]
    rows += [clean("rain", "dog_bark", dataset="esc-10", fold=1, clip="a/2")]
    rows += [clean("rain", "dog_bark", dataset="esc-10", fold=2, clip="b/1")]
    share = summary.share(rows)
    assert share.percent == pytest.approx(100 / 3)
    assert share.spread == pytest.approx(statistics.stdev([200 / 3, 0]))


def test_one_run_has_no_spread_and_no_row_no_share() -> None:
    assert str(summary.share([clean("up", "up")])) == "100.0"
    with pytest.raises(ValueError, match="no row"):
        summary.share([])


def test_two_models_of_one_seed_are_two_runs() -> None:
    """A recipe that changed leaves the rows of its old models behind: they are not one run of twice the clips."""
    old = clean("up", "go").model_copy(update={"model_digest": "0" * 64})
    assert summary.share([clean("up", "up"), old]).runs == 2


def test_an_abstention_is_wrong_and_counts_as_radius_0_in_a_median() -> None:
    ceiling = radius_ceiling(0.02, N, 0.001)
    rows = [
        certificate("up", None),
        certificate("up", None),
        certificate("up", "up"),
        certificate("up", "up", share=0.5),
    ]
    assert summary.share(rows).percent == 50
    assert summary.median_radius(rows) == ceiling / 4  # of 0, 0, 1/2 and 1 of it
    assert summary.median_radius(rows[1:]) == ceiling / 2
    assert summary.abstained(rows) == 50


def test_an_abstention_counts_as_no_snr_at_all() -> None:
    """As it does for radii: 126.49 / (R/2) is 6.02 dB above 126.49 / R."""
    rows = [certificate("up", None), certificate("up", "up"), certificate("up", "go", share=0.5)]
    best = rows[1].snr_db
    assert best is not None
    assert summary.median_snr_db(rows) == pytest.approx(best + 6.0206, abs=1e-4)
    assert summary.median_snr_db([*rows, certificate("up", None)]) is None
    assert summary.median_snr_db([certificate("up", "up", setting="feature:0.02")]) is None


def test_unanimous_votes_are_counted_whatever_they_say() -> None:
    rows = [
        certificate("up", "go"),
        certificate("up", "up", share=0.9),
        certificate("up", None),
        certificate("up", "up"),
    ]
    assert summary.unanimous(rows) == 50


def test_certified_accuracy_counts_right_answers_that_reach_as_far_ties_included() -> None:
    ceiling = radius_ceiling(0.02, N, 0.001)
    rows = [
        certificate("up", "up"),
        certificate("up", "up", share=0.5),
        certificate("up", "go"),
        certificate("up", None),
    ]

    def at(radius: float) -> float:
        return summary.certified_accuracy(rows, summary.within_radius(radius))

    assert [at(0.0), at(ceiling / 2), at(ceiling * 0.5001), at(ceiling), at(ceiling * 1.0001)] == [50, 50, 25, 25, 0]
    near, far = sorted(row.snr_db for row in rows[:2] if row.snr_db)

    def within(snr_db: float) -> float:
        return summary.certified_accuracy(rows, summary.within_snr(snr_db))

    assert [within(near - 1e-6), within(near), within(far - 1e-6), within(far)] == [0, 25, 25, 50]


def test_a_confusion_matrix_holds_every_row_once() -> None:
    classes = ("up", "go", "no")
    rows = [
        certificate("up", "up"),
        certificate("up", "go"),
        certificate("up", "go"),
        certificate("go", None),
        certificate("no", "no"),
    ]
    counts = summary.confusion(rows, classes)
    assert counts == [[1, 2, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]]
    assert sum(map(sum, counts)) == len(rows)
    assert summary.by_class(rows) == {"go": 0.0, "no": 100.0, "up": pytest.approx(100 / 3)}


def test_geometry_is_the_mean_over_clips_of_one_sigma() -> None:
    one, two, other = (
        shape_of(clip, "up", dataset="speech-commands-12", sigma=sigma)
        for clip, sigma in (("a/1", 0.0025), ("a/2", 0.0025), ("a/1", 0.02))
    )
    louder = {"fixed": one.transforms["clip"]}
    two = two.model_copy(update={"transforms": louder})
    [group] = groups([one, two, other])
    assert group.geometry_at(0.0025) == (one, two)
    d_geom, ratio = summary.geometry(group.geometry_at(0.0025), "fixed")
    assert d_geom == pytest.approx((6.5e-8 + 260) / 2)
    assert ratio == pytest.approx((1 + 261) / 2)


def test_rows_are_grouped_by_data_and_training_noise() -> None:
    unknown = clean("up", "up").model_copy(update={"noise_sigma": None, "model_digest": "f" * 64})
    every: list[Row] = [
        clean("up", "up"),
        unknown,
        certificate("rain", "rain", dataset="esc-10", fold=1),
        clean("up", "up", noise_sigma=()),
        certificate("up", "up", noise_sigma=(0.0, 0.02)),
        certificate("up", "up", seed=2),
    ]
    found = groups(every)
    assert [group.noise_sigma for group in groups(every[::-1])] == [group.noise_sigma for group in found]
    assert [(group.dataset, group.noise) for group in found] == [
        ("esc-10", "0.005"),
        ("speech-commands-12", "none"),
        ("speech-commands-12", "0, 0.02"),
        ("speech-commands-12", "0.005"),
        ("speech-commands-12", "unknown"),
    ]
    assert [len(found[3].clean), len(found[3].certificates)] == [1, 1]


def test_settings_stand_by_kind_and_then_by_sigma() -> None:
    settings = ["waveform:0.02", "clip:0.0025", "waveform:0.005", "feature:0.02", "waveform:0.01"]
    [group] = groups(certificate("up", "up", setting=setting) for setting in settings)
    assert group.settings == ["clip:0.0025", "feature:0.02", "waveform:0.005", "waveform:0.01", "waveform:0.02"]


def test_a_row_that_is_there_twice_counts_once() -> None:
    """Say, because a file was named twice."""
    rows: list[CertificateRow] = [certificate("up", "up"), certificate("up", "go", clip="a/2")]
    [group] = groups([*rows, *rows, rows[0]])
    assert group.certificates == tuple(rows)


def test_budgets_are_not_mixed() -> None:
    rows: list[Row] = [certificate("up", "up"), certificate("up", "up", n=10_000), clean("up", "up")]
    with pytest.raises(ValueError, match=r"waveform:0.02: rows of n0 = 100, n = 1000, .* and n0 = 100, n = 10000"):
        groups(rows)
    [group] = groups(rows, n=10_000)
    assert group.certificates == (rows[1],)
    assert group.clean == (rows[2],)


def test_clean_accuracy_beside_certificates_is_that_of_the_certified_clips() -> None:
    """Certified are as many clips of each class, clean accuracy is over the whole split: not to be compared."""
    [group] = groups(
        [
            clean("up", "up", clip="a/1"),
            clean("up", "go", clip="a/2"),
            clean("up", "go", clip="a/1", seed=2),
            certificate("up", "up", clip="a/1"),
        ]
    )
    assert group.clean_of_certified == (group.clean[0],)
