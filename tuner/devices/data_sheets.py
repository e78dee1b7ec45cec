"""What the vendors' data sheets say of GPUs: used until a device is benchmarked (`roofline.of`)."""

import re

SHEETS = {  # part of the name: dense bf16 TFLOP/s (of a card without bf16: fp16), GB/s of memory
    "H200": (989, 4800),
    "H100": (989, 3350),
    "B200": (2250, 8000),
    "A100": (312, 1555),
    "A10": (125, 600),
    "L40": (181, 864),
    "L4": (121, 300),
    "T4": (65, 320),
    "V100": (125, 900),
    "5090": (210, 1792),
    "4090": (165, 1008),
    "4080": (97, 717),
    "4070": (58, 504),
    "4060": (30, 272),
    "3090": (71, 936),
    "3080": (60, 760),
    "3060": (25, 360),
}
DEFAULT_TFLOPS = 30  # of a card that is not in the table
DEFAULT_BANDWIDTH = {"cuda": 300, "mps": 100, "cpu": 20}  # GB/s without a data sheet: a guess


def tflops(name: str) -> float:
    """Return the throughput of a card in TFLOP/s."""
    return (_sheet(name) or (DEFAULT_TFLOPS, 0))[0]


def bandwidth(name: str, kind: str) -> float:
    """Return the memory bandwidth of a device in bytes/s; `kind` is cuda, mps or cpu."""
    sheet = _sheet(name) if kind == "cuda" else None
    return 1e9 * (sheet[1] if sheet else DEFAULT_BANDWIDTH[kind])


def _sheet(name: str) -> tuple[float, float] | None:
    """Return the row of a card: the model number stands alone in its name (an RTX A1000 is no A100, a T400 no T4)."""
    return next((sheet for part, sheet in SHEETS.items() if re.search(rf"(?<![A-Za-z0-9]){part}(?!\d)", name)), None)
