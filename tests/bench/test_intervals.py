"""The intervals of the board are those that statistics gives."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tweakconv.bench.intervals import mean_ratio, median_ratio


@pytest.mark.parametrize("rounds", range(1, 40))
def test_the_interval_of_a_ratio_is_the_narrowest_pair_of_rounds_that_holds_the_median_often_enough(
    rounds: int,
) -> None:
    values = np.random.default_rng(rounds).permutation(rounds) + 1.0
    estimate = median_ratio([*values])
    assert estimate.value == np.median(values)
    # The r-th smallest and the r-th largest miss the median where fewer than r values lie on one side of it.
    sure = [r for r in range(1, rounds // 2 + 1) if 2 * stats.binom.cdf(r - 1, rounds, 0.5) <= 0.05]
    expected = (max(sure), rounds + 1 - max(sure)) if sure else (None, None)
    assert (estimate.low, estimate.high) == expected
    assert bool(sure) == (rounds >= 6)


def test_the_interval_of_a_mean_is_the_percentile_bootstrap() -> None:
    ratios = np.random.default_rng(3).lognormal(0.4, 0.3, 301)
    estimate = mean_ratio([[*ratios]])
    scipys = stats.bootstrap((ratios,), np.median, n_resamples=20_000, method="percentile", rng=1).confidence_interval
    assert estimate is not None
    assert estimate.value == pytest.approx(np.median(ratios))
    assert (estimate.low, estimate.high) == pytest.approx((scipys.low, scipys.high), rel=0.01)


def test_a_mean_over_more_lines_is_surer() -> None:
    generator = np.random.default_rng(4)
    lines = [[*generator.lognormal(0.2, 0.2, 9)] for _ in range(16)]
    few, many = mean_ratio(lines[:1]), mean_ratio(lines)
    assert few is not None
    assert many is not None
    assert few.low is not None
    assert few.high is not None
    assert many.low is not None
    assert many.high is not None
    assert many.low < many.value < many.high
    assert np.log(many.high / many.low) < 0.5 * np.log(few.high / few.low)
    assert many.value == pytest.approx(np.exp(np.mean([np.log(np.median(line)) for line in lines])))
    assert mean_ratio(lines) == many
