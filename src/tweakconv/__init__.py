"""Convolutions you can tweak, see and trust."""

__version__ = "0.1.0"
from tweakconv.compiler.threads import get_num_threads, set_num_threads
from tweakconv.ops import conv2d,compile_conv2d,filter2d
