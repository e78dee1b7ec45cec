"""Tunesmith's engine: everything but the page. Imports neither gradio nor (outside `workers/`) torch."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("tunesmith")
except PackageNotFoundError:  # a checkout run in place, as a Space does
    __version__ = "0.1.0"
