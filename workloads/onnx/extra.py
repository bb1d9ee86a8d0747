"""Whether the extra that reads ONNX files is installed."""

from __future__ import annotations

from importlib.util import find_spec

from archsim.core.errors import InputError, Problem


def require_onnx() -> None:
    """Raise InputError with the remedy where the package `onnx` is missing."""
    if find_spec("onnx") is None:
        message = "ONNX models need the package onnx, which is not installed"
        raise InputError(Problem(message=message, hint='pip install "archsim[onnx]"'))
