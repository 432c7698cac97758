"""Whether tensors are still what they were when something was made from them.

Where they lie and how often PyTorch has counted a change of them says so after ``load_state_dict``, an optimiser's step
and ``weight.data = ...``. PyTorch does not count what is done through ``weight.data`` (``weight.data.mul_(2)``, as many
moving averages of weights are written), through ``weight.detach().numpy()`` or in memory that another process shares:
therefore a few numbers, spread over the weight, are looked at as well, which takes half a microsecond.
"""

from __future__ import annotations

from typing import TypeAlias

from torch import Tensor

from tweakconv.arrays import FloatArray

Tensors: TypeAlias = tuple[Tensor | None, ...]

_LOOKED_AT = 16
"""Numbers that are looked at, at least, where there are so many."""


def stamp(*tensors: Tensor | None) -> object:
    """What changes when one of the tensors does; equal to nothing where there is no telling.

    Examples
    --------
    >>> import torch
    >>> weight = torch.ones(3)
    >>> before = stamp(weight)
    >>> before == stamp(weight), before == stamp(weight.add_(1))
    (True, False)
    """
    found: list[object] = []
    try:
        for tensor in tensors:  # in less time than a comprehension takes
            if tensor is None:
                found.append(None)
            else:
                found += tensor.data_ptr(), tensor._version, tensor.shape, tensor.stride()
        return found
    except RuntimeError:  # tensors made under torch.inference_mode have no version
        return object()


class Seen:
    """Tensors, and some numbers of the first as they were.

    Their memory is held: as long as it is, nothing else can come to lie there.

    Examples
    --------
    >>> import torch
    >>> weight = torch.ones(4, 3)
    >>> seen = Seen((weight, None))
    >>> seen.differs()
    False
    >>> _ = weight.data.mul_(2)
    >>> seen.differs()
    True
    """

    def __init__(self, tensors: Tensors = ()) -> None:
        self.tensors = tuple(None if tensor is None else tensor.detach() for tensor in tensors)
        self._some = None if not self.tensors or self.tensors[0] is None else _some_of(self.tensors[0])
        self._before = b"" if self._some is None else self._some.tobytes()

    def differs(self) -> bool:
        """Whether the numbers that are looked at are others now."""
        return self._some is not None and self._some.tobytes() != self._before


def _some_of(tensor: Tensor) -> FloatArray | None:
    """A view of some of its numbers, evenly spread over its memory."""
    by_place = sorted(range(tensor.dim()), key=tensor.stride, reverse=True)
    flat = tensor.permute(by_place)
    if not flat.is_contiguous():
        return None
    array: FloatArray = flat.view(-1).numpy()
    return array[:: max(1, array.size // _LOOKED_AT)]
