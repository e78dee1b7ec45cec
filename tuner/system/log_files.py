"""Log files of workers: read from their end, without terminal codes and without secrets; and kept from growing without bound.

A worker writes into its log through a descriptor that appends, so that the file can be shortened while it writes.
"""

import os
import re
from pathlib import Path

MOST, KEPT = 64 * 2**20, 2**20  # bytes: of a log before it is shortened, and of its end that is kept
HIDDEN = "[secret]"
ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\\\)|[@-Z\\\\-_])")
TOKENS = (  # published shapes of keys: Hugging Face, OpenAI and Anthropic, Weights & Biases, GitHub, Slack, Google, AWS, JSON web tokens
    r"hf_[A-Za-z0-9]{20,}",
    r"sk-[A-Za-z0-9_-]{16,}",
    r"ts-[A-Za-z0-9_-]{24,}",
    r"gh[pousr]_[A-Za-z0-9]{20,}",
    r"github_pat_[A-Za-z0-9_]{20,}",
    r"xox[abprs]-[A-Za-z0-9-]{10,}",
    r"AIza[A-Za-z0-9_-]{30,}",
    r"AKIA[A-Z0-9]{16}",
    r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}",
)
SECRETS = re.compile(r"(?<![A-Za-z0-9])(?:" + "|".join(TOKENS) + r")")
HEADERS = re.compile(r"(?i)((?:proxy-)?authorization['\"]?\s*[:=]\s*['\"]?(?:bearer|basic|token)?\s*)[^\s'\",}]+")
NAMED = re.compile(r"(?i)((?:api[-_]?key|access[-_]?token|password|passwd|secret)['\"]?\s*[:=]\s*['\"]?)[^\s'\",;}&]{4,}")
PASSWORDS = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://[^\s/:@]*:)[^\s/@]+(?=@)")


def redacted(text: str) -> str:
    """Return a text without secrets: tokens of known shapes, Authorization headers, named keys, passwords in addresses."""
    text = SECRETS.sub(HIDDEN, text)
    for pattern in (HEADERS, NAMED, PASSWORDS):
        text = pattern.sub(rf"\g<1>{HIDDEN}", text)
    return text


def plain(text: str) -> str:
    """Return a text without terminal codes; of a line that was written over itself (a progress bar) what stood there last."""
    lines = ANSI.sub("", text).replace("\r\n", "\n").split("\n")
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines)


def tail(file: Path, most: int) -> str:
    """Return the last lines of a file, of at most `most` bytes; a line that is cut is left out, unless there is no other. "" without a file."""
    try:
        with open(file, "rb") as f:
            end = f.seek(0, os.SEEK_END)
            begin = max(0, end - most)
            f.seek(begin)
            found = f.read(most)
    except FileNotFoundError:
        return ""
    whole = found[found.find(b"\n") + 1 :] if begin else found
    return redacted(plain((whole or found).decode("utf-8", "replace")))


def shorten(file: Path) -> bool:
    """Keep the end of a file that has grown too long; return whether it was shortened. What is written at that very moment may be lost."""
    try:
        if file.stat().st_size <= MOST:
            return False
        with open(file, "r+b") as f:
            f.seek(-KEPT, os.SEEK_END)
            end = f.read(KEPT)
            size = f.seek(0, os.SEEK_END)
            f.truncate(0)
    except FileNotFoundError:
        return False
    with open(file, "ab") as f:
        f.write(f"[{size - len(end):,} bytes of this log were removed: it had grown too long]\n".encode() + end)
    return True
