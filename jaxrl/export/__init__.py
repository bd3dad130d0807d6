"""Trained policies as files that act without this package: `jax.export` programs and ONNX models."""

from jaxrl.export.files import FORMATS, Written, write
from jaxrl.export.rebuild import actor

__all__ = ["FORMATS", "Written", "actor", "write"]
