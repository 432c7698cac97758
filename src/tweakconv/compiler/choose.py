"""Which schedule computes a convolution, and why."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tweakconv.arrays import FloatArray
from tweakconv.compiler import low_rank
from tweakconv.compiler.elements import ELEMENTS
from tweakconv.compiler.llvm_lock import llvm_lock
from tweakconv.compiler.spec import ConvSpec
from tweakconv.compiler.target import Target, without_tiles

if TYPE_CHECKING:
    from types import ModuleType

    from tweakconv.compiler.schedules.bands import BandsPlan
    from tweakconv.compiler.schedules.depthwise import DepthwisePlan
    from tweakconv.compiler.schedules.direct import DirectPlan
    from tweakconv.compiler.schedules.fourier import FourierPlan
    from tweakconv.compiler.schedules.rows import RowsPlan
    from tweakconv.compiler.schedules.separable import SeparablePlan
    from tweakconv.compiler.schedules.tiles import TilesPlan
    from tweakconv.compiler.schedules.winograd import WinogradPlan

ALGORITHMS = ("auto", "depthwise", "direct", "fft", "grouped", "rows", "separable", "tiles", "winograd")

_WORTH_IT = 0.9
"""Winograd's rounding errors are about three times those of direct sums: it must gain something for them."""

_ANY_SIZE = (28, 28)
"""The output for which ways of direct sums are compared, and Winograd's forms where it is named: tiles of an image must
be summed as the whole is."""

_PACKED_BYTES_PER_CYCLE, _STREAMED_BYTES_PER_CYCLE = 4.0, 2.2
"""At which a call packs weights: what such calls take beyond prepared ones, on twelve layers; and where the packed ones
are more than a core's cache, and so are written to memory and read from there again."""

_CACHED_BYTES, _BANDS_MORE = 3 << 19, 1.5
"""Outputs that a core's cache holds with their inputs, and how much longer bands of these take than estimated."""

_LITTLE = 1 << 16
"""Multiply-adds of an image for which direct sums take the least time: a call of Winograd's takes 4 µs to begin."""

_OPENCV_TRANSFORMS = 130
"""Taps from which on OpenCV filters images of bytes by a Fourier transform, whose rounding nobody can follow."""

_LEAST_TRANSFORMED = 100
"""Taps below which Fourier transforms of tiles are not thought of: they take as long as 150 taps, or longer."""


_REASONS = {
    "depthwise": "each output reads one channel; vector lanes hold channels",
    "grouped": "groups are smaller than a vector; its lanes hold the channels of several",
    "rows": "there is one output channel a group; neighbouring output rows share the input rows they read",
}


class Choice(NamedTuple):
    """A schedule's name, its module or the one that runs it band by band, the plan made, and the reason in words."""

    algorithm: str
    schedule: ModuleType
    plan: DepthwisePlan | DirectPlan | FourierPlan | RowsPlan | SeparablePlan | TilesPlan | WinogradPlan | BandsPlan
    reason: str

    @property
    def label(self) -> str:
        """The algorithm's name, and by which of its ways it goes."""
        variant = self.within.variant if self.algorithm == "winograd" else ""
        return self.algorithm + variant + " by bands" * self._by_bands

    @property
    def within(self) -> Any:
        """The plan, or that by which bands are computed."""
        plan: Any = self.plan
        return plan.inner if self._by_bands else plan

    @property
    def _by_bands(self) -> bool:
        return self.schedule.__name__.rpartition(".")[2] == "bands"

    def cycles(self, out_size: tuple[int, int], met: float = 1.0) -> float:
        """Cycles that an image takes, as estimated; `met` is the share of its products that are not of padding."""
        estimated: float = self.schedule.estimate(self.plan, out_size)
        return estimated * met if getattr(self.plan, "in_stretches", False) else estimated

    @property
    def follows_weights(self) -> bool:
        """Whether other weights of the same shape may need another plan."""
        return self.algorithm == "separable"


def choose(
    spec: ConvSpec,
    target: Target,
    out_size: tuple[int, int] | None = None,
    *,
    algorithm: str = "auto",
    tame: bool = True,
    packs: bool = False,
    whole: bool = False,
    kernel: FloatArray | None = None,
    met: float = 1.0,
    brief: bool = False,
) -> Choice:
    """Decide how to compute a convolution on a target.

    Parameters
    ----------
    out_size
        Height and width of the output it is meant for, where they are known.
    algorithm
        One of `ALGORITHMS`; any but "auto" is the answer.
    tame
        Whether all weights and the bias are finite, and far from overflowing.
    packs
        Whether weights are packed for a single call, so that the time this takes counts.
    whole
        Whether all weights are whole numbers: then "auto" takes sums whose results are, for whole inputs.
    kernel
        The weights, (kernel height, kernel width, channels / groups, out channels), of a convolution of images: whether
        they are products of columns and rows is found out where it matters. "auto" takes no sums by way of those where
        it is not given.
    met
        The share of the products whose input is a pixel and not the padding; some ways leave out the others.
    brief
        Whether bfloat16 holds all weights.

    Raises
    ------
    ValueError
        Where `algorithm` is unknown, or does not compute this convolution.
    """
    with llvm_lock:
        from tweakconv.compiler.schedules import SCHEDULES  # noqa: PLC0415 - loaded when code is first needed

    if algorithm not in ALGORITHMS:
        raise ValueError(f"algorithm: received {algorithm!r}; choose one of {', '.join(map(repr, ALGORITHMS))}")
    if algorithm == "auto":
        plain = _best(spec, target, out_size if tame else None, tame=tame, packs=packs, whole=whole, met=met)
        if brief and tame and (tiled := _by_tiles(plain, target, out_size or _ANY_SIZE, packs=packs)) is not None:
            return tiled
        if kernel is None or not tame or out_size is None:
            return plain
        return _by_large_kernels(plain, kernel, out_size, packs=packs, whole=whole) or plain
    possible = ways(algorithm, spec, target)
    if not possible:
        raise ValueError(
            f"algorithm: received {algorithm!r}, which computes {SCHEDULES[algorithm].WHAT}; choose 'auto'"
        )
    if algorithm in _SPREADING and not tame:
        raise ValueError(
            f"algorithm: received {algorithm!r}, whose {_SPREADING[algorithm]} spread NaN, infinity and overflow, "
            "which kernel or bias hold or come near; choose 'direct'"
        )
    if algorithm == "tiles" and not (brief and tame):
        raise ValueError(
            "algorithm: received 'tiles', which multiplies numbers of bfloat16, but kernel or bias hold NaN or "
            "infinity, or come near, or bfloat16 would round a weight; round the kernel, or choose 'direct'"
        )
    if algorithm == "depthwise" and not tame:
        raise ValueError(
            "algorithm: received 'depthwise', which leaves out the zeros of the padding: times NaN or infinity, which "
            "kernel or bias hold or come near, these are NaN; choose 'direct'"
        )
    if algorithm == "fft" and out_size is not None:
        possible = [way._replace(plan=SCHEDULES[algorithm].plan(spec, target, out_size)) for way in possible]
    if algorithm == "separable" and kernel is not None:
        found = low_rank.rank(_planes(kernel))
        possible = [way._replace(plan=SCHEDULES[algorithm].plan(spec, target, found.rank)) for way in possible]
    if algorithm == "winograd":  # by the same form for every size that it is made for
        form = _fastest(possible, _ANY_SIZE).within.form
        possible = [way for way in possible if way.within.form == form]
    size = _ANY_SIZE if algorithm == "direct" else out_size
    return _fastest(possible, size)._replace(reason="asked for")


_SPREADING = {"fft": "transforms", "separable": "factors", "winograd": "transforms"}

_SAMPLE = 8


def is_whole(kernel: FloatArray) -> bool:
    """Whether all weights are whole numbers; the first few decide for nearly every kernel that has others.

    Examples
    --------
    >>> import numpy as np
    >>> is_whole(np.array([1.0, -8.0])), is_whole(np.array([0.25, 2.0]))
    (True, False)
    """
    if not all(kernel.item(i).is_integer() for i in range(min(_SAMPLE, kernel.size))):
        return False
    weights = kernel.ravel("K")
    return bool((weights == np.rint(weights)).all())


def ways(algorithm: str, spec: ConvSpec, target: Target) -> list[Choice]:
    """How an algorithm computes a convolution: as it is, or band by band with channels_last, or not at all."""
    from tweakconv.compiler.schedules import SCHEDULES, bands  # noqa: PLC0415

    schedule = SCHEDULES[algorithm]
    target = target if algorithm == "tiles" else without_tiles(target)
    found = [Choice(algorithm, schedule, plan, "") for plan in _plans(algorithm, spec, target)]
    if bands.applies(spec):
        plans = bands.plans(spec, target, schedule, lambda inside: _plans(algorithm, inside, target, in_bands=True))
        found += [Choice(algorithm, bands, plan, "") for plan in plans]
    return found


def _plans(algorithm: str, spec: ConvSpec, target: Target, *, in_bands: bool = False) -> list[Any]:
    """The plans by which a schedule computes a convolution: none where it does not, and Winograd may have several."""
    schedule = _schedule(algorithm)
    if not schedule.applies(spec, target):
        return []
    if algorithm == "winograd":
        return list(schedule.plans(spec, target, in_bands=in_bands))
    return [schedule.plan(spec, target)]


def all_ways(spec: ConvSpec, target: Target, *, tame: bool, whole: bool, brief: bool = False) -> list[Choice]:
    """The ways that "auto" may take whatever the weights' numbers are, and Winograd and tiles where these allow it."""
    finite = ("depthwise", *(("tiles",) if brief else ())) if tame else ()
    names = ("direct", *finite, "grouped", "rows", *(("winograd",) if tame and not whole else ()))
    return [way for name in names for way in ways(name, spec, target)]


def _by_tiles(plain: Choice, target: Target, out_size: tuple[int, int], *, packs: bool) -> Choice | None:
    """Products of tiles, where they compute it and take less."""
    spec = plain.plan.spec
    for way in ways("tiles", spec, target):
        tiled, before = (_of_a_call(each, spec, out_size, packs=packs, met=1.0) for each in (way, plain))
        ratio = tiled / before
        if ratio < 1:
            return way._replace(reason=f"estimated to take {ratio:.2f} of the time of {plain.algorithm}")
    return None


def _by_large_kernels(
    plain: Choice, kernel: FloatArray, out_size: tuple[int, int], *, packs: bool, whole: bool
) -> Choice | None:
    """A way whose time hardly grows with the kernel, where there is one and it takes less."""
    spec, target = plain.plan.spec, plain.plan.target
    if spec.channels_last or not spec.group_in == spec.group_out == 1:
        return None
    fourier, separable = _schedule("fft"), _schedule("separable")
    before, coarse = plain.cycles(out_size), whole or _rounds_like_others(spec)
    found: list[tuple[float, Choice]] = []
    if not coarse and math.prod(spec.kernel) >= _LEAST_TRANSFORMED and fourier.applies(spec, target):
        transforms = fourier.plan(spec, target, out_size)
        cycles = fourier.estimate(transforms, out_size) + (fourier.packing_estimate(transforms) if packs else 0)
        found.append((cycles, Choice("fft", fourier, transforms, "")))
    if min(spec.kernel) > 1 and separable.applies(spec, target):
        besides = separable.packing_estimate(spec) if packs else 0
        limit = min([_WORTH_IT * before, *(cycles for cycles, _ in found)])
        if separable.estimate(separable.plan(spec, target, 1), out_size) + besides < limit:
            rank = low_rank.rank(_planes(kernel))
            fewer = rank.rank * sum(spec.kernel) < math.prod(spec.kernel)
            if fewer and (rank.exact or not coarse):
                factored = separable.plan(spec, target, rank.rank)
                cycles = separable.estimate(factored, out_size) + besides
                found.append((cycles, Choice("separable", separable, factored, "")))
    cycles, chosen = min(found, key=lambda pair: pair[0], default=(before, plain))
    if cycles >= _WORTH_IT * before:
        return None
    ratio = chosen.cycles(out_size) / before
    return chosen._replace(reason=f"estimated to take {ratio:.2f} of the time of {plain.algorithm}")


def _rounds_like_others(spec: ConvSpec) -> bool:
    """Whether sums are rounded to whole numbers where OpenCV adds up taps too, so that halves should come out equal."""
    return bool(spec.y_stored) and ELEMENTS[spec.y_stored].is_integer and math.prod(spec.kernel) < _OPENCV_TRANSFORMS


def _schedule(algorithm: str) -> ModuleType:
    from tweakconv.compiler.schedules import SCHEDULES  # noqa: PLC0415

    return SCHEDULES[algorithm]


def _planes(kernel: FloatArray) -> FloatArray:
    """The kernel planes of output channels that read one input channel each."""
    return kernel[:, :, 0].transpose(2, 0, 1)


def _fastest(found: list[Choice], out_size: tuple[int, int] | None) -> Choice:
    """The one estimated to be fastest, or where nothing is known of the size the first."""
    return found[0] if out_size is None or len(found) == 1 else min(found, key=lambda way: way.cycles(out_size))


def _of_a_call(way: Choice, spec: ConvSpec, out_size: tuple[int, int], *, packs: bool, met: float) -> float:
    """Cycles that an image takes, with those for packing the weights where a call does that as well."""
    if not packs:
        return way.cycles(out_size, met)
    weights = way.schedule.packed_elements(way.plan, math.prod(spec.kernel)) * spec.element_bytes
    streams = weights > way.plan.target.l2_bytes
    packing: float = weights / (_STREAMED_BYTES_PER_CYCLE if streams else _PACKED_BYTES_PER_CYCLE)
    return way.cycles(out_size, met) + packing


def _bands_win(way: Choice, plain: Choice, out_size: tuple[int, int] | None) -> bool:
    """Whether depthwise convolution with channels_first had better go by bands: of an image that stays in cache."""
    spec = plain.plan.spec
    if out_size is None or spec.out_channels * math.prod(out_size) * spec.element_bytes > _CACHED_BYTES:
        return False
    return way.cycles(out_size) * _BANDS_MORE < plain.cycles(out_size)


def _is_little(spec: ConvSpec, out_size: tuple[int, int]) -> bool:
    """Whether an image has so few products that a call of Winograd's takes longer to begin."""
    return math.prod(out_size) * math.prod(spec.taps) * spec.out_channels <= _LITTLE


def _best(
    spec: ConvSpec, target: Target, out_size: tuple[int, int] | None,
    *, tame: bool, packs: bool, whole: bool, met: float,
) -> Choice:  # fmt: skip
    lanes = "vector lanes hold output channels" if spec.channels_last else "vector lanes hold output columns"
    direct = _fastest(ways("direct", spec, target), _ANY_SIZE)
    grouped, rows = ways("grouped", spec, target), ways("rows", spec, target)
    depthwise = ways("depthwise", spec, target) if tame else []
    if depthwise and spec.channels_last:
        return depthwise[0]._replace(reason=f"{_REASONS['depthwise']}, and taps in the padding are left out")
    if grouped or rows:
        plain = _fastest([*grouped, *rows], out_size)
        if not spec.channels_last and not rows:  # lanes of columns are an alternative
            plain = _fastest([plain, direct], out_size)
        if depthwise and (plain.algorithm == "grouped" or _bands_win(depthwise[0], plain, out_size)):
            plain = depthwise[0]  # in the first case it computes the same bands in less time
        return plain._replace(reason=_REASONS.get(plain.algorithm, lanes))
    fast = [] if out_size is None or _is_little(spec, out_size) else ways("winograd", spec, target)
    if not fast or out_size is None:
        return direct._replace(reason=f"it computes every geometry; {lanes}")
    if whole:
        return direct._replace(reason="all weights are whole numbers, whose direct sums over whole numbers are exact")
    winograd = min(fast, key=lambda way: _of_a_call(way, spec, out_size, packs=packs, met=met))
    fast_cycles, plain_cycles = (_of_a_call(way, spec, out_size, packs=packs, met=met) for way in (winograd, direct))
    ratio = fast_cycles / plain_cycles
    if ratio < _WORTH_IT:
        return winograd._replace(reason=f"estimated to take {ratio:.2f} of the time of direct sums")
    return direct._replace(reason=f"winograd is estimated to take {ratio:.2f} of its time; {lanes}")
