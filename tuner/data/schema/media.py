"""Reject rows that refer to images, audio or video: a text model can't see them, so training on such a row teaches it to guess."""

import re
from typing import Any

from tuner.data.schema.cells import NO_MEDIA, RowProblem, unpack
from tuner.data.schema.fields import strings

NAMES = frozenset(
    "image images img imgs picture pictures photo photos pixelvalues imagepath imagepaths imagefile imagefiles imageurl imageurls "
    "video videos videopath videopaths videourl audio audios audiopath audiopaths audiofile audiourl sound sounds speech".split()
)
SURE = ("image", "images", "video", "videos", "audio", "audios", "picture", "pictures", "photos")
CONVERSATION_KINDS = ("chat", "preference", "rated")
ENDING = re.compile(
    r"\.(?:jpe?g|png|gif|webp|bmp|tiff?|svg|mp4|mov|avi|mkv|webm|mp3|wav|flac|ogg|m4a|opus)(?:[?#]\S*)?\s*$|^\s*data:(?:image|audio|video)/",
    re.I,
)
HINT = re.compile(
    r"<[|_]{0,2}(?:(?:start|end)_of_)?(?:image|img|video|audio|vision|speech|sound|media)", re.I
)  # the beginning of every marker
MARKER = re.compile(
    r"(?:^|\n)[ \t]*<(?:image|video|audio|speech|sound)(?:[-_ ]?\d+)?>(?!\s*</)"  # at the beginning of a turn or a line
    r"|<(?:image|video|audio|speech|sound)(?:[-_ ]?\d+)?>[ \t]*(?:\n|$)"  # or at its end
    r"|<(?:image|video|audio)[-_ ](?:\d+|placeholder|pad|token|here|soft_token)>"
    r"|<\|(?:image|video|audio|vision|speech)[\w-]*\|>|<(?:img|image)_?(?:start|end|context)>|<_?(?:start|end)_of_image>"
    r"|<__(?:image|media)__>",
    re.I,
)
ABOUT = re.compile(r"</(?:image|video|audio)>|\b(?:html5?|xml|svg|rss|markup|tags?|element)\b|```", re.I)


def refuse_columns(value: dict, kind: str, notes: list[str]) -> None:
    """Raise RowProblem for a record with a column of images, audio or video; only add a note for a link beside a labelled text."""
    for column, content in value.items():
        if content and (name := _bare(column)) in NAMES:
            if _is_medium(name, unpack(content)) or kind in CONVERSATION_KINDS and isinstance(content, str) and ENDING.search(content):
                raise RowProblem(*NO_MEDIA)
            if isinstance(content, str) and ENDING.search(content):
                notes.append(f"`{column}` names an image, audio or video file, which is not trained")


def refuse_markers(row: dict) -> None:
    """Raise RowProblem for a canonical row with a marker such as <image>, which stands for content that a text model can't see."""
    for text in strings(row):
        if "<" in text and HINT.search(text) and MARKER.search(text) and not ABOUT.search(text):
            raise RowProblem(*NO_MEDIA)


def columns(names: list[str]) -> list[str]:
    """Return the columns whose names suggest images, audio or video."""
    return [name for name in names if _bare(name) in NAMES]


def _is_medium(name: str, content: Any) -> bool:
    """Return whether the cell holds images, audio or video, or a list of them (as bytes, path, link or number)."""
    if isinstance(content, list):
        return any(_is_medium(name, item) or name in SURE and isinstance(item, (str, int)) and item != "" for item in content)
    if isinstance(content, dict):
        return any(content.get(k) is not None for k in ("bytes", "path", "url", "src", "array"))
    return isinstance(content, bytes)


def _bare(name: str) -> str:
    return re.sub(r"[\W_]+", "", str(name).lower())
