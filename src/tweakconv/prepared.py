"""A prepared convolution: geometry resolved, weights packed, code compiled; calling it only runs."""

from __future__ import annotations

import ctypes
import math
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tweakconv.arrays import FloatArray, address, aligned, as_input, check_out, empty_aligned, is_bfloat16
from tweakconv.compiler import door, helpers, threads
from tweakconv.compiler.build import build
from tweakconv.compiler.call import ALONE, FINITE, Call, Shared, Space
from tweakconv.compiler.choose import Choice, all_ways, choose, is_whole
from tweakconv.compiler.door import Door, Form
from tweakconv.compiler.host import cpu_name
from tweakconv.compiler.target import Target, get_target
from tweakconv.explain import explain, title
from tweakconv.layer import LayerConfig, check_shape
from tweakconv.lowering import (
    MOST_STRIDE,
    border_of,
    contiguous_strides,
    element_strides,
    lower,
    pieces,
    plain_kernel,
    with_rows,
)
from tweakconv.packing import Packer
from tweakconv.tuning import fastest
from tweakconv.weights import Weights, is_brief

_LINE = 64
"""Bytes of a cache line; what several threads write to lies in lines of its own."""

_Integers = ctypes.c_int64 * Shared.COUNT
_Job = ctypes.c_int64 * helpers.Job.COUNT

_SMALL_BYTES = 4096

_MOST_SHAPES = 64
"""Input shapes whose run-time integers a prepared convolution remembers."""


class _Launch(NamedTuple):
    """What calls with inputs of one shape and strides have in common.

    Attributes
    ----------
    small : bool
        Whether the output is so small that the microseconds of a call matter more than where a
        new array begins.
    door : Door or None
        The quick way in, where all of it is small.
    """

    out_shape: tuple[int, ...]
    integers: NDArray[np.int64]
    integers_address: int
    threads: int
    space: Space
    small: bool
    door: Door | None


class PreparedConv:
    """A convolution whose kernel is packed and whose code is compiled, made by `tweakconv.compile_conv2d` and its like.

    The kernel and bias are copied when it is made: changing the arrays afterwards changes nothing here. It takes
    inputs of any batch and size with the channels it was made for; none of them compiles anything. Several threads
    may call one at once. A copy or a pickle holds the same weights and the same target.

    Examples
    --------
    >>> import tweakconv as tc
    >>> conv = tc.compile_conv2d(np.ones((3, 3, 1, 1)), input_shape=(1, 5, 5, 1), strides=2)
    >>> conv(np.ones((1, 7, 5, 1)))[0, :, :, 0]
    array([[9., 9.],
           [9., 9.],
           [9., 9.]])
    """

    def __init__(
        self,
        layer: LayerConfig,
        kernel: FloatArray,
        bias: FloatArray | None,
        input_shape: tuple[int, ...],
        target: Target,
        *,
        algorithm: str | Choice = "auto",
        packs: bool = False,
        dtype: np.dtype[Any] | None = None,
        out_dtype: np.dtype[Any] | None = None,
    ) -> None:
        stored = kernel.dtype if dtype is None else dtype
        whole, brief = algorithm == "auto" and is_whole(kernel), is_bfloat16(stored) and is_brief(kernel)
        weights = Weights.of(kernel, bias, whole=whole, brief=brief)
        kinds = stored, out_dtype or stored
        self._plan(layer, kernel.dtype, input_shape, target, weights, algorithm, packs, *kinds, kernel=kernel)
        self._set_bias(bias)
        self._weights = empty_aligned((self._packer.elements,), kernel.dtype)
        self._weights_address = self._weights.ctypes.data
        self._packer.pack(kernel, self._weights_address)

    @classmethod
    def planned(
        cls, layer: LayerConfig, within: np.dtype[Any], input_shape: tuple[int, ...], target: Target,
        weights: Weights, *, algorithm: str, packs: bool, dtype: np.dtype[Any], out_dtype: np.dtype[Any],
    ) -> PreparedConv:  # fmt: skip
        """One for weights of a kind, which it lacks: only `run` may be called."""
        made = object.__new__(cls)
        made._plan(layer, within, input_shape, target, weights, algorithm, packs, dtype, out_dtype)
        made._set_bias(None)
        return made

    def pack_into(self, kernel: FloatArray, bias: FloatArray | None, room: int, *, brief: bool = False) -> Weights:
        """Pack a kernel into memory that the caller lends, `weights_bytes` of it; returns what the weights are like.

        Where that is not what this was made for, another plan is to compute them. `brief` says that bfloat16 is known
        to hold all weights.
        """
        whole = self.made_for.whole
        if self._algorithm == "auto" and (whole or self.built.choice.algorithm in ("fft", "winograd")):
            whole = is_whole(kernel)
        return Weights.found(self._packer.pack(kernel, room), kernel.dtype, bias, whole=whole, brief=brief)

    def _plan(
        self, layer: LayerConfig, within: np.dtype[Any], input_shape: tuple[int, ...], target: Target,
        weights: Weights, algorithm: str | Choice, packs: bool, dtype: np.dtype[Any], out_dtype: np.dtype[Any],
        kernel: FloatArray | None = None,
    ) -> None:  # fmt: skip
        """Work out all that does not need the weights themselves; `within` is what is computed in.

        Where the kernel is known, ways may be taken that only some kernels allow.
        """
        self.layer, self.input_shape = layer, input_shape
        # NumPy's own objects, which a pickle brings copies of: most arrays have these, and looking at that is quick.
        self.dtype, self.out_dtype = np.dtype(dtype.type), np.dtype(out_dtype.type)
        self.geometry = layer.geometry(layer.size_of(input_shape))
        self._lowered = lower(layer, within, self.geometry, finite=weights.finite, stored=(dtype, out_dtype))
        self._sums_dtype = out_dtype if self._lowered.spec.y_stored else within
        if isinstance(algorithm, Choice):
            choice, algorithm = algorithm, algorithm.algorithm
        else:
            choice = choose(
                self._lowered.spec, target, self.out_size,
                algorithm=algorithm, tame=weights.tame, packs=packs, whole=weights.whole,
                kernel=None if kernel is None else plain_kernel(self._lowered, kernel), met=self.met,
                brief=weights.brief,
            )  # fmt: skip
        self._packs, self._target = packs, target
        self._algorithm, self.made_for, self._flags = algorithm, weights, FINITE if weights.finite else 0
        self.built = build(choice)
        self._run, self._run_address = self.built.code.run, self.built.code.address()
        self._packer = Packer(self._lowered, choice, within)
        self._launches: dict[tuple[object, ...], _Launch] = {}
        self._latest_door: Door | None = None
        self._bias_places: NDArray[np.intp] | None = None

    def _set_bias(self, bias: FloatArray | None) -> None:
        choice, dtype = self.built.choice, self._packer.dtype
        self._addends = np.zeros(self.layer.out_channels, dtype) if bias is None else bias.copy()
        self._bias: FloatArray = aligned(choice.schedule.pack_bias(choice.plan, self._addends))
        self._bias_address = self._bias.ctypes.data

    def packed_bias(self, bias: FloatArray | None) -> FloatArray:
        """A bias in the order in which the code reads it; the one that this was made with where there is none."""
        if bias is None:
            return self._bias
        if self._bias_places is None:
            choice, numbers = self.built.choice, np.arange(1, len(bias) + 1)
            self._bias_places = np.flatnonzero(choice.schedule.pack_bias(choice.plan, numbers))
        packed = np.zeros(self._bias.shape, bias.dtype)
        packed[self._bias_places] = bias
        return packed

    def __call__(self, x: ArrayLike, out: FloatArray | None = None, residual: ArrayLike | None = None) -> FloatArray:
        """Convolve.

        Parameters
        ----------
        x : array_like
            Of the data format, channels and dtype this was made for; any batch and size.
        out : ndarray, optional
            Where to write the result: its shape and dtype, in C order, apart from `x` and `residual`.
        residual : array_like, optional
            Added to the sums before the activation: of the result's shape and dtype. Needed where this was made with
            ``residual=True``, and refused where it was not.

        Returns
        -------
        ndarray
            `out`, or a new array.

        Raises
        ------
        ValueError, TypeError
            As `tweakconv.conv2d`.
        """
        return self.run(x, out, residual, self._weights_address, self._bias_address)

    def run(
        self, x: ArrayLike, out: FloatArray | None, residual: ArrayLike | None, weights: int, bias: int
    ) -> FloatArray:
        """Convolve with packed weights and a packed bias at two addresses."""
        latest = self._latest_door
        if latest is not None and residual is None:
            y = np.empty(latest.y.shape, latest.y.dtype) if out is None else out
            if latest.enter(latest.place, weights, bias, id(x), id(y)):
                return y
        launch = None
        if type(x) is np.ndarray and x.dtype == self.dtype and x.flags.aligned:
            array: FloatArray = x
            launch = self._launches.get((x.shape, x.strides, threads.get_num_threads()))
        if launch is None:
            array, launch = self._prepare(x)
        self._latest_door = launch.door
        addends = None
        if residual is not None or self.layer.residual:
            addends = self._checked_residual(residual, launch.out_shape)
        if out is None:
            shape, dtype = launch.out_shape, self.out_dtype
            out = np.empty(shape, dtype) if launch.small else empty_aligned(shape, dtype)
        else:
            given = () if x is array and addends is None else (a for a in (x, residual) if isinstance(a, np.ndarray))
            check_out(out, launch.out_shape, self.out_dtype, array, *given)
        if launch.out_shape[0]:
            self._launch_into(out, launch, array, addends, weights, bias)
        return out

    def reads(self, x: FloatArray) -> bool:
        """Whether it reads an array of its type where it lies, instead of a copy."""
        check_shape(self.layer, x.shape)
        return x.flags.aligned and element_strides(x, self.layer.channels_last) is not None

    def run_at(
        self, shape: tuple[int, ...], strides: tuple[int, ...], x: int, y: int, residual: int = 0,
        weights: int = 0, bias: int = 0,
    ) -> None:  # fmt: skip
        """Convolve what lies at an address into memory at another: nothing is checked, for frameworks that know it all.

        Parameters
        ----------
        shape, strides
            Of an input that it `reads`; strides in bytes.
        x, y, residual : int
            Addresses, of no residual where 0; the output and the residual lie in C order.
        weights, bias : int
            Addresses of packed ones; the own, where 0.
        """
        weights, bias = weights or self._weights_address, bias or self._bias_address
        latest = self._latest_door
        if latest is not None and latest.x.shape == shape and latest.x.strides == strides and not residual:
            latest.run(latest.place, weights, bias, x, y)
            return
        launch = self._launch_at(shape, strides)
        self._latest_door = launch.door
        if launch.out_shape[0]:
            self._launch(launch, x, y, residual, weights, bias)

    def runner(self, shape: tuple[int, ...], strides: tuple[int, ...]) -> Callable[[int, int], None]:
        """``run_at`` for one shape and strides, to be called with two addresses, while this is kept alive."""
        way_in = self._launch_at(shape, strides).door
        if way_in is None:
            return partial(self.run_at, shape, strides)
        return partial(way_in.run, way_in.place, self._weights_address, self._bias_address)

    def with_kernel(self, kernel: FloatArray, bias: FloatArray | None = None) -> PreparedConv:
        """The same convolution with other weights: what follows from the geometry is shared, so this only packs them.

        Parameters
        ----------
        kernel : ndarray
            Of the shape of the one it was made with, in the type that is computed in.
        bias : ndarray, optional
            Another one, alike; where there is none, that which it was made with stays.

        Examples
        --------
        >>> import tweakconv as tc
        >>> conv = tc.compile_conv2d(np.ones((3, 3, 1, 1)), input_shape=(1, 5, 5, 1), strides=2)
        >>> conv.with_kernel(np.full((3, 3, 1, 1), 2.0))(np.ones((1, 3, 3, 1))).ravel()
        array([18.])
        """
        weights = empty_aligned((self._packer.elements,), kernel.dtype)
        addends, fits = self._addends if bias is None else bias, not self.built.choice.follows_weights
        brief = self.made_for.brief and is_brief(kernel)
        if fits and self.pack_into(kernel, addends, weights.ctypes.data, brief=brief) == self.made_for:
            other = object.__new__(PreparedConv)
            vars(other).update(vars(self))
            other._weights, other._weights_address = weights, weights.ctypes.data
            if bias is not None:
                other._set_bias(bias)
            return other
        # For these weights the schedule, or its plan, may be another.
        return PreparedConv(
            self.layer, kernel, addends, self.input_shape, self._target,
            algorithm=self._algorithm, packs=self._packs, dtype=self.dtype, out_dtype=self.out_dtype,
        )  # fmt: skip

    def tuned(self) -> PreparedConv:
        """The same convolution computed in the way that is fastest here: measured once, and remembered on disk.

        Every way that ``algorithm="auto"`` may take is timed with inputs of the shape this was made for, in as many
        threads as `tweakconv.get_num_threads` says. What was measured stands in `explain`.

        Examples
        --------
        >>> import tweakconv as tc
        >>> conv = tc.compile_conv2d(np.eye(3)[:, :, None, None], input_shape=(1, 5, 5, 1)).tuned()
        >>> conv(np.ones((1, 5, 5, 1))).ravel()
        array([3., 3., 3., 3., 3., 3., 3., 3., 3.])
        """
        kernel, spec, target = self._packer.unpack(self._weights), self._lowered.spec, self._target
        shape = self.layer.shape(self.input_shape[0], self.geometry.output_size, self.layer.out_channels)
        x, y = np.ones(self.input_shape, self.dtype), np.empty(shape, self.out_dtype)
        added = np.ones(shape, self.out_dtype) if self.layer.residual else None

        def by(choice: Choice) -> PreparedConv:
            return PreparedConv(
                self.layer, kernel, self._addends, self.input_shape, target,
                algorithm=choice, dtype=self.dtype, out_dtype=self.out_dtype,
            )  # fmt: skip

        def call(choice: Choice) -> Callable[[], object]:
            conv = by(choice)
            return lambda: conv(x, y, added)

        kind = self.made_for
        possible = all_ways(spec, target, tame=kind.tame, whole=kind.whole, brief=kind.brief)
        if self.built.choice.label not in [way.label for way in possible]:
            possible.append(self.built.choice)
        parts = self.input_shape, self.geometry.pads, threads.get_num_threads(), cpu_name()
        return by(fastest(possible, call, spec, target, *parts))

    @property
    def out_size(self) -> tuple[int, int]:
        """Rows and columns of a plane of the output for the input it was made for."""
        *_, rows, columns = with_rows(self.geometry).output_size
        return rows, columns

    @property
    def met(self) -> float:
        """The share of its products, for the input it was made for, whose input is a pixel and not the padding."""
        if not self.layer.pads_zeros or self._lowered.spec.pieces:  # which have taps of their own
            return 1.0
        return math.prod(axis.met for axis in self.geometry.axes)

    @property
    def space_bytes(self) -> int:
        """Bytes of working space that a thread takes."""
        choice, nowhere = self.built.choice, (0, 0, 0)
        call = Call(self.input_shape[0], with_rows(self.geometry), nowhere, nowhere, threads=1)
        space: Space = choice.schedule.space(choice.plan, call)
        return space.own

    @property
    def weights_bytes(self) -> int:
        """Bytes that the packed weights take."""
        return self._packer.bytes

    def explain(self) -> str:
        """What is computed and how: sizes, pads, schedule and why, operations and bytes; lines of text."""
        return explain(self)

    def __repr__(self) -> str:
        return f"<PreparedConv {title(self)}>"

    def _repr_html_(self) -> str:
        """`explain` as a table, for notebooks."""
        from tweakconv.view.notebook import plan_table  # noqa: PLC0415 - only notebooks pay for it

        return plan_table(self)

    def __reduce__(self) -> tuple[object, ...]:
        choice, layer = self.built.choice, self.layer
        kernel = self._packer.unpack(self._weights)
        dtypes = self.dtype, self.out_dtype
        return _restore, (
            layer, kernel, self._addends, self.input_shape, choice.plan.target.name, choice.algorithm, *dtypes,
        )  # fmt: skip

    def _checked_residual(self, residual: ArrayLike | None, shape: tuple[int, ...]) -> FloatArray:
        """The residual in C order, where there is to be one and there is."""
        if residual is None:
            raise ValueError(f"residual: this convolution was made to add one; an array of shape {shape} is needed")
        if not self.layer.residual:
            raise ValueError("residual: this convolution was made without; prepare it with residual=True")
        addends = as_input("residual", residual, self.out_dtype)
        if addends.shape != shape:
            raise ValueError(f"residual: received shape {addends.shape}; the result has shape {shape}")
        return np.ascontiguousarray(addends)

    def _launch_into(
        self, out: FloatArray, launch: _Launch, x: FloatArray, residual: FloatArray | None, weights: int, bias: int
    ) -> None:
        """Run the code; where it does not round its sums to the type of the output, do so here."""
        sums, added = out, residual
        if out.dtype != self._sums_dtype:
            sums = empty_aligned(out.shape, self._sums_dtype)
            added = None if residual is None else residual.astype(self._sums_dtype)
        self._launch_arrays(launch, x, sums, added, weights, bias)
        if sums is out:
            return
        with np.errstate(over="ignore"):
            out[...] = sums

    def _launch_arrays(
        self, launch: _Launch, x: FloatArray, y: FloatArray, residual: FloatArray | None, weights: int, bias: int
    ) -> None:
        self._launch(launch, address(x), address(y), 0 if residual is None else address(residual), weights, bias)

    def _launch(self, launch: _Launch, x: int, y: int, residual: int, weights: int, bias: int) -> None:
        arrays = (x, weights, bias, y, residual, launch.integers_address)
        own, shared = launch.space
        if launch.threads == 1:
            space = threads.workspace(_LINE + own)
            self._run(*arrays, space.address, space.address + _LINE, self._flags | ALONE)
            return
        step = -(-own // _LINE) * _LINE
        with threads.borrowed(shared + launch.threads * step) as space:
            windows = space.address + shared
            between = _Integers(0, space.address, helpers.await_address())
            job = _Job(self._run_address, *arrays, ctypes.addressof(between), windows, step, self._flags)
            helpers.run(job, launch.threads - 1)

    def _launch_at(self, shape: tuple[int, ...], strides: tuple[int, ...]) -> _Launch:
        """What inputs that it `reads` need."""
        launch = self._launches.get((shape, strides, threads.get_num_threads()))
        if launch is None:
            _, launch = self._prepare(np.lib.stride_tricks.as_strided(np.empty(1, self.dtype), shape, strides))
        return launch

    def _prepare(self, x: ArrayLike) -> tuple[FloatArray, _Launch]:
        """`x` as the code can read it, and what its shape needs; new shapes are worked out and remembered."""
        layer = self.layer
        array = as_input("x", x, self.dtype)
        check_shape(layer, array.shape)
        strides = element_strides(array, layer.channels_last)
        if strides is None:
            array = np.ascontiguousarray(array)
            strides = contiguous_strides(array.shape, layer.channels_last)
        most = threads.get_num_threads()
        key = (array.shape, array.strides, most)
        launch = self._launches.get(key)
        if launch is None:
            if len(self._launches) >= _MOST_SHAPES:
                self._launches.clear()
            launch = self._launches[key] = self._new_launch(array, strides, most)
        return array, launch

    def _new_launch(self, x: FloatArray, x_strides: tuple[int, ...], most: int) -> _Launch:
        layer, choice, shape, size = self.layer, self.built.choice, x.shape, self.layer.size_of(x.shape)
        geometry = self.geometry if size == self.geometry.input_size else layer.geometry(size)
        out_shape = layer.shape(shape[0], geometry.output_size, layer.out_channels)
        out_bytes = math.prod(out_shape) * self.out_dtype.itemsize
        if out_bytes > sys.maxsize:
            raise ValueError(
                f"padding: with pads {geometry.pads} the output has shape {out_shape}: more than memory can hold"
            )
        lifted, spec = with_rows(geometry), self._lowered.spec
        strides = (*([] if spec.depth is None else [spec.depth.stride]), *spec.strides)
        for axis, stride in zip(lifted.axes, strides, strict=True):
            if axis.output > 1 and axis.stride != stride:
                raise ValueError(
                    f"strides: {axis.stride} is too far for an input as large as {geometry.input_size}; strides up to "
                    f"{MOST_STRIDE} are computed"
                )
        work = shape[0] * geometry.multiply_adds
        used = threads.worth(most, work, x.nbytes + out_bytes)
        call = Call(
            batch=max(shape[0], 1),  # an empty one runs nothing, but schedules divide by it
            geometry=lifted,
            x_strides=x_strides,
            y_strides=contiguous_strides(out_shape, layer.channels_last),
            threads=used,
            border=border_of(layer, self.dtype, lifted, double=spec.double),
            pieces=pieces(self._lowered, choice, lifted),
        )
        integers = np.array(choice.schedule.integers(choice.plan, call), np.int64)
        space, small = choice.schedule.space(choice.plan, call), out_bytes <= _SMALL_BYTES
        brief = small and used == 1 and 0 < work <= door.MOST_PRODUCTS and space.own <= door.MOST_SPACE
        way_in = None
        if brief and self.out_dtype == self._sums_dtype and not layer.residual:
            given, made = Form(self.dtype, shape, x.strides), Form(self.out_dtype, out_shape, ())
            way_in = door.door(self.built.code, given, made, integers, space.own, self._flags)
        return _Launch(out_shape, integers, integers.ctypes.data, used, space, small, way_in)


def _restore(
    layer: LayerConfig, kernel: FloatArray, bias: FloatArray, shape: tuple[int, ...], target: str, algorithm: str,
    dtype: np.dtype[Any], out_dtype: np.dtype[Any],
) -> PreparedConv:  # fmt: skip
    chosen = get_target(target)
    return PreparedConv(layer, kernel, bias, shape, chosen, algorithm=algorithm, dtype=dtype, out_dtype=out_dtype)
