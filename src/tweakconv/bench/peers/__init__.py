"""The other libraries on the board: which there are, which of them are installed, one file for each."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType

from tweakconv.bench.contender import Contender

__all__ = ["PEERS", "Peer", "select_peers"]


@dataclass(frozen=True, slots=True)
class Peer:
    """A library that the board knows how to use.

    Attributes
    ----------
    key : str
        What a person types to choose it.
    title : str
        The name of the library.
    adapter : str
        Our module for it, which imports the library and has ``contenders(threads)``, and ``functional(threads)``
        where the board compares its functional call too.
    needs : tuple of str
        The modules that have to be importable.
    distributions : tuple of str
        What to install to have them; the first is the library itself.
    """

    key: str
    title: str
    adapter: str
    needs: tuple[str, ...]
    distributions: tuple[str, ...]

    @property
    def missing(self) -> tuple[str, ...]:
        """The modules it needs that are not installed here."""
        return tuple(module for module in self.needs if importlib.util.find_spec(module) is None)

    @property
    def how_to_install(self) -> str:
        """The command that brings it."""
        return f"pip install {' '.join(self.distributions)}"

    @property
    def version(self) -> str:
        """The version that is installed, whichever distribution brought it (OpenCV has several)."""
        distributions = importlib.metadata.packages_distributions().get(self.needs[0], [])
        return importlib.metadata.version(distributions[0]) if distributions else "of unknown version"

    def contenders(self, threads: int) -> tuple[Contender, ...]:
        """What it sends to the board, set to this number of threads. Imports the library."""
        contenders: tuple[Contender, ...] = self._module.contenders(threads)
        return contenders

    def functional(self, threads: int) -> tuple[Contender, ...]:
        """Its call that takes the weights each time, where the board knows one. Imports the library."""
        call = getattr(self._module, "functional", None)
        return () if call is None else (call(threads),)

    @property
    def _module(self) -> ModuleType:
        return importlib.import_module(f"tweakconv.bench.peers.{self.adapter}")


PEERS: tuple[Peer, ...] = (
    Peer("torch", "PyTorch", "pytorch", ("torch",), ("torch",)),
    Peer("onnxruntime", "ONNX Runtime", "onnx_runtime", ("onnxruntime", "onnx"), ("onnxruntime", "onnx")),
    Peer("openvino", "OpenVINO", "openvino_cpu", ("openvino",), ("openvino",)),
    Peer("ncnn", "ncnn", "ncnn_cpu", ("ncnn",), ("ncnn",)),
    Peer("mnn", "MNN", "mnn_cpu", ("MNN", "onnx"), ("MNN", "onnx")),
    Peer("opencv", "OpenCV", "opencv", ("cv2", "onnx"), ("opencv-python-headless", "onnx")),
    Peer("scipy", "SciPy", "scipy_filters", ("scipy",), ("scipy",)),
)


def select_peers(wanted: Sequence[str] | None = None) -> tuple[Peer, ...]:
    """The peers with these keys, in the board's order; None means all.

    Raises
    ------
    ValueError
        For a key that no peer has; the message lists those there are.

    Examples
    --------
    >>> [peer.title for peer in select_peers(["torch"])]
    ['PyTorch']
    """
    if wanted is None:
        return PEERS
    keys = [peer.key for peer in PEERS]
    for key in wanted:
        if key not in keys:
            raise ValueError(f"peers: the board knows no {key!r}; it knows {', '.join(keys)}")
    return tuple(peer for peer in PEERS if peer.key in wanted)
