"""Convolutions you can tweak, see and trust."""

__version__ = "0.1.0"
