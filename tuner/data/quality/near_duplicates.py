"""Find near-duplicate rows: MinHash signatures from rensa, banded LSH in numpy, and each pair verified on its texts.

Why rensa: it takes hashed shingles as one array and signs 100,000 rows of 300 shingles in 0.3 s on one core; datasketch 2.0.0
takes 42 to 64 s for the same (measured). Its own index returns rows one by one, so the bands are sorted in numpy.

Two rows are near-duplicates when, ignoring case and punctuation,
- their numbers and their key (label, passage) are the same: "order 17" and "order 18" are different rows;
- they share at least 0.8 of their shingles (5 characters), and at least 0.6 in each part (question, answer);
- they also share most of the shingles that are rare in this dataset: rows made from one template are no duplicates.
Of rows longer than 20,000 characters, the first 20,000 and the length are compared.
"""

import re
import tempfile
from array import array
from collections.abc import Callable, Iterable
from functools import lru_cache

import numpy as np

from tuner.data.schema.fields import digest

ALIKE, PART_ALIKE, RARE_ALIKE, BARELY = 0.8, 0.6, 0.8, 0.95
WIDTH, SLOTS, BAND, SEED = 5, 64, 3, 42
LONGEST, BATCH = 20_000, 400_000
BUCKETS, SAMPLE, COMMON, COMMON_FROM, RARE_FROM = 1 << 20, 10_000, 0.1, 50, 3
NEIGHBOURS, PATIENCE, ESTIMATE, KEPT = 4, 4, 0.3, 64
EDGE, BETWEEN = "\n" * (WIDTH - 1), "\x1f"
Tick = Callable[[int], None]


class Index:
    """Takes rows one by one, spools them to temporary files (about 60 bytes per row stay in memory), and groups them.

    Use it as a context manager: the files are removed at its end.
    """

    def __init__(self, expected: int):
        self.every = max(1, expected // SAMPLE)
        self.texts, self.signatures = tempfile.TemporaryFile(), tempfile.TemporaryFile()
        self.ends, self.lengths, self.keys, self.same = array("q", [0]), array("q"), array("Q"), array("Q")
        self.frequency, self.sampled, self.waiting, self.size, self.limit = np.zeros(BUCKETS, np.uint32), 0, [], 0, 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.texts.close(), self.signatures.close()

    def add(self, texts: Iterable[str], key: str = "") -> None:
        """Add a row. `texts` are its normalized parts; only rows with the same `key` can be near-duplicates."""
        whole = BETWEEN.join(texts)
        position = len(self.keys)
        self.keys.append(digest(key, *re.findall(r"\d+", whole)))
        self.same.append(digest(key, whole))
        self.lengths.append(len(whole))
        whole = whole[:LONGEST]
        data = whole.encode("utf-8", "surrogatepass")
        self.texts.write(data)
        self.ends.append(self.ends[-1] + len(data))
        if position % self.every == 0:
            self.waiting.append(whole)
            self.size += len(whole)
            if self.size > BATCH:
                self._count()

    def _count(self) -> None:
        """Count in how many of the sampled rows each shingle occurs."""
        hashes, owners = shingles(self.waiting)
        seen = _set(owners.astype(np.uint64) * np.uint64(BUCKETS) + hashes % np.uint64(BUCKETS))
        self.frequency += np.bincount((seen % np.uint64(BUCKETS)).astype(np.int64), minlength=BUCKETS).astype(np.uint32)
        self.sampled += len(self.waiting)
        self.waiting, self.size = [], 0

    def groups(self, tick: Tick = lambda done: None) -> list[list[int]]:
        """Return groups of positions of near-duplicates, in the order they were added; each is similar to the first of its group.

        `tick` receives the number of signed rows and may raise to stop.
        """
        if self.waiting:
            self._count()
        self.limit = max(COMMON_FROM, COMMON * self.sampled)
        firsts, twins = _firsts(np.frombuffer(self.same, np.uint64))
        self._sign(firsts, tick)
        done = len(self.keys)
        pairs = self._pairs(firsts, lambda: tick(done))
        near = self._verified(pairs, lambda: tick(done))
        return _with_twins(near, twins)

    def _sign(self, firsts: np.ndarray, tick: Tick) -> None:
        batch: list[str] = []
        size = 0
        for position in firsts.tolist():
            batch.append(self._text(position))
            size += len(batch[-1]) + WIDTH
            if size > BATCH:
                self._flush(batch)
                batch, size = [], 0
                tick(position)
        self._flush(batch)

    def _flush(self, batch: list[str]) -> None:
        """Sign a batch by the shingles that are rare in this dataset, or by all shingles of rows that have hardly any rare ones."""
        import rensa

        if not batch:
            return
        hashes, owners = shingles(batch)
        rare = self._rare(hashes)
        enough = np.bincount(owners[rare], minlength=len(batch)) >= RARE_FROM
        kept = rare | ~enough[owners]
        counts = np.bincount(owners[kept], minlength=len(batch))
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.uint64)
        matrix = rensa.RMinHash.digest_matrix_from_flat_token_hashes(np.ascontiguousarray(hashes[kept]), offsets, SLOTS, SEED)
        self.signatures.write(
            np.array(matrix.to_rows(), np.uint32).astype(np.uint16).tobytes()
        )  # the lower half is enough to tell them apart

    def _rare(self, hashes: np.ndarray) -> np.ndarray:
        return self.frequency[(hashes % np.uint64(BUCKETS)).astype(np.int64)] <= self.limit

    def _pairs(self, firsts: np.ndarray, tick: Callable[[], None]) -> np.ndarray:
        """Return candidate pairs that share a band, [n, 2] positions, most likely first.

        In a crowded band each row is paired with only a few neighbours.
        """
        self.signatures.flush()
        n = len(firsts)
        if n < 2:
            return np.zeros((0, 2), np.int64)
        signed = np.memmap(self.signatures, np.uint16, "r", shape=(n, SLOTS))
        keys = np.frombuffer(self.keys, np.uint64)[firsts]
        found, agree = np.zeros(0, np.int64), np.zeros(0, np.float32)
        for at in range(0, SLOTS - BAND + 1, BAND):
            tick()
            met = _bucket_pairs(_mixed(np.array(signed[:, at : at + BAND]), keys), n)
            for start in range(0, len(met), 50_000):
                tick()
                some = met[start : start + 50_000]
                left, right = np.divmod(some, n)
                likely = (signed[left] == signed[right]).mean(axis=1, dtype=np.float32)
                found = np.append(found, some[likely >= ESTIMATE])
                agree = np.append(agree, likely[likely >= ESTIMATE])
            found, first = np.unique(found, return_index=True)
            agree = agree[first]
        order = np.argsort(-np.floor(agree * 5), kind="stable")  # likely pairs first, then neighbours, whose texts are cached
        return np.stack([firsts[side] for side in np.divmod(found[order], n)], axis=1)

    def _verified(self, pairs: np.ndarray, tick: Callable[[], None]) -> list[list[int]]:
        """Union-find over the pairs whose texts are similar; each set is then reduced to rows similar to its first."""
        root: dict[int, int] = {}

        def find(x: int) -> int:
            while root.setdefault(x, x) != x:
                root[x] = x = root[root[x]]
            return x

        shape = lru_cache(maxsize=KEPT)(self._shape)
        failed: dict[int, int] = {}
        for number, (a, b) in enumerate(pairs.tolist()):
            if number % 200 == 0:
                tick()
            one, other = find(a), find(b)
            if one == other or failed.get(a, 0) + failed.get(b, 0) >= PATIENCE:
                continue
            if _alike(shape(a), shape(b)):
                root[max(one, other)] = min(one, other)
            else:
                failed[a], failed[b] = failed.get(a, 0) + 1, failed.get(b, 0) + 1
        sets: dict[int, list[int]] = {}
        for x in sorted(root):
            sets.setdefault(find(x), []).append(x)
        return [group for members in sets.values() if len(members) > 1 for group in _split_chains(members, shape, tick)]

    def _text(self, position: int) -> str:
        self.texts.seek(self.ends[position])
        return self.texts.read(self.ends[position + 1] - self.ends[position]).decode("utf-8", "surrogatepass")

    def _shape(self, position: int) -> tuple:
        """Return what a comparison needs: (parts of the text, its length, all its shingles, the rare ones among them)."""
        text = self._text(position)
        every = _set(shingles([text])[0])
        return text.split(BETWEEN), self.lengths[position], every, every[self._rare(every)]


def shingles(texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return (hash, index of the text) of each window of 5 characters; a text of n characters has n windows, the first ones padded."""
    sizes = np.array([len(text) for text in texts], np.int64)
    codes = np.frombuffer("".join(EDGE + text for text in texts).encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
    owners = np.repeat(np.arange(len(texts)), sizes)
    ends = np.arange(len(owners)) + (owners + 1) * (WIDTH - 1)
    hashes = np.zeros(len(owners), np.uint64)
    for back in range(WIDTH):
        hashes = hashes * np.uint64(0x100000001B3) + codes[ends - (WIDTH - 1 - back)]
    hashes ^= hashes >> np.uint64(31)
    hashes *= np.uint64(0x9E3779B97F4A7C15)
    return hashes ^ (hashes >> np.uint64(29)), owners


def _set(values: np.ndarray) -> np.ndarray:
    """Return sorted values without duplicates; np.unique takes three times as long for 64-bit numbers."""
    values = np.sort(values)
    return values[np.concatenate([[True], values[1:] != values[:-1]])] if len(values) else values


def jaccard(a: np.ndarray, b: np.ndarray) -> float:
    """Return the Jaccard similarity of two sets of shingles, each sorted and without duplicates."""
    shared = len(np.intersect1d(a, b, assume_unique=True))
    return shared / max(1, len(a) + len(b) - shared)


def _alike(one: tuple, other: tuple) -> bool:
    (parts, length, every, rare), (parts2, length2, every2, rare2) = one, other
    if min(length, length2) < ALIKE * max(length, length2) or min(len(every), len(every2)) < ALIKE * max(len(every), len(every2)):
        return False
    fewest = min(len(rare), len(rare2))
    if fewest >= RARE_FROM and len(np.intersect1d(rare, rare2, assume_unique=True)) < RARE_ALIKE * fewest:
        return False
    if jaccard(every, every2) < (ALIKE if fewest >= RARE_FROM else BARELY):
        return False
    return len(parts) == len(parts2) and all(a == b or _part_alike(a, b) for a, b in zip(parts, parts2, strict=True))


def _part_alike(a: str, b: str) -> bool:
    return jaccard(*(_set(shingles([text])[0]) for text in (a, b))) >= PART_ALIKE


def _split_chains(members: list[int], shape: Callable, tick: Callable[[], None]) -> list[list[int]]:
    """Split chains, so that every member of a group is similar to its first. After 50 groups the rest of a set counts as different."""
    if len(members) == 2:  # they were compared already
        return [members]
    groups: list[list[int]] = []
    for number, x in enumerate(members):
        if number % 50 == 0:
            tick()
        group = next((g for g in groups if _alike(shape(g[0]), shape(x))), None)
        if group:
            group.append(x)
        elif len(groups) < 50:
            groups.append([x])
    return [g for g in groups if len(g) > 1]


def _firsts(same: np.ndarray) -> tuple[np.ndarray, dict[int, list[int]]]:
    """Return the first position of each normalized text, and the later positions with an equal text."""
    _, first, back = np.unique(same, return_index=True, return_inverse=True)
    leader = first[back]
    twins: dict[int, list[int]] = {}
    for x in np.flatnonzero(leader != np.arange(len(same))).tolist():
        twins.setdefault(int(leader[x]), []).append(x)
    return np.sort(first), twins


def _with_twins(groups: list[list[int]], twins: dict[int, list[int]]) -> list[list[int]]:
    led = [sorted(x for leader in group for x in (leader, *twins.pop(leader, ()))) for group in groups]
    return sorted(led + [[leader, *later] for leader, later in twins.items()])


def _mixed(columns: np.ndarray, keys: np.ndarray) -> np.ndarray:
    mixed = keys.copy()
    for i in range(columns.shape[1]):
        mixed = (mixed ^ columns[:, i]) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(32)
    return mixed


def _bucket_pairs(bucket: np.ndarray, n: int) -> np.ndarray:
    """Return pairs as left * n + right: each row of a bucket with the bucket's first row and with its next few."""
    order = np.argsort(bucket, kind="stable")
    ranked = bucket[order]
    starts = np.concatenate([[True], ranked[1:] != ranked[:-1]])
    first = order[np.flatnonzero(starts)[np.cumsum(starts) - 1]]
    out = [(first * n + order)[~starts]]
    for step in range(1, NEIGHBOURS + 1):
        met = ranked[:-step] == ranked[step:]
        out.append((order[:-step] * n + order[step:])[met])
    return np.concatenate(out)
