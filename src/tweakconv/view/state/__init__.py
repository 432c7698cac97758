"""What the explorer shows, as it stands in an address: one layer, a filter on a picture, or many layers.

Each state is read from the parameters of a request and writes itself as the shortest query string that means the
same, so that a link shows another person the same thing. Parameters have the names of the arguments of
`tweakconv.ConvGeometry.of`.
"""

from tweakconv.view.state.chain import ChainLayer, ChainState
from tweakconv.view.state.layer import LayerState
from tweakconv.view.state.picture import PictureState

__all__ = ["ChainLayer", "ChainState", "LayerState", "PictureState"]
