"""Devices as they would be told on machines that are not here: cards of both makers, an Apple, and a torch that can't use what there is."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tuner import diagnostics
from tuner.devices import data_sheets, detection, visible
from tuner.errors import DeviceError
from tuner.system import processes


class NVML(SimpleNamespace):
    """What `pynvml` answers on a machine with these cards: (name, total, free, compute capability)."""

    class NVMLError(Exception):
        pass

    def __init__(self, *cards):
        super().__init__(cards=cards)

    def nvmlInit(self):
        if not self.cards:
            raise self.NVMLError("no driver")

    def nvmlDeviceGetCount(self):
        return len(self.cards)

    def nvmlDeviceGetHandleByIndex(self, i):
        if self.cards[i] is None:
            raise self.NVMLError("GPU is lost")
        return self.cards[i]

    def nvmlDeviceGetUUID(self, card):
        return f"GPU-{self.cards.index(card)}aaa-{card[0].replace(' ', '')}"

    def nvmlDeviceGetHandleByUUID(self, uuid):
        if uuid != "MIG-11aa":
            raise self.NVMLError("not found")
        return ("NVIDIA H100 MIG 1g.10gb", 10 * 10**9, 9 * 10**9, None)

    def nvmlDeviceGetDeviceHandleFromMigDeviceHandle(self, card):
        return ("NVIDIA H100", 80 * 10**9, 70 * 10**9, (9, 0))

    def nvmlDeviceGetName(self, card):
        return card[0]

    def nvmlDeviceGetMemoryInfo(self, card):
        return SimpleNamespace(total=card[1], free=card[2])

    def nvmlDeviceGetCudaComputeCapability(self, card):
        return card[3]

    def nvmlDeviceGetEnforcedPowerLimit(self, card):
        if card[0] == "Tesla T4":
            raise self.NVMLError("not supported")
        return 72_000


@pytest.fixture
def machine(monkeypatch):
    """`machine(cards, torch)` makes this computer look like another one."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def become(*cards, torch=None):
        monkeypatch.setitem(sys.modules, "pynvml", NVML(*cards))
        monkeypatch.setattr(detection, "torch_build", lambda: {"version": "2.13.0", "cuda": None, "hip": None} | (torch or {}))

    return become


L4, T4 = ("NVIDIA L4", 24 * 10**9, 20 * 10**9, (8, 9)), ("Tesla T4", 16 * 10**9, 15 * 10**9, (7, 5))


SMALL, LARGE = ("NVIDIA GeForce RTX 3060", 12 * 10**9, 11 * 10**9, (8, 6)), ("NVIDIA GeForce RTX 4090", 24 * 10**9, 23 * 10**9, (8, 9))


@pytest.mark.parametrize(("cards", "fastest"), [((SMALL, LARGE), "cuda:1"), ((LARGE, SMALL), "cuda:0")])
def test_a_worker_gets_the_card_that_was_planned_for(machine, cards, fastest):
    """NVML counts by PCI address and CUDA by speed, unless it is told otherwise: on such a computer the run was on the other card."""
    machine(*cards, torch={"cuda": "12.8"})
    found = detection.listing()[0]
    assert found.id == fastest and found.name == LARGE[0]
    env = processes.environment(found.id, True)
    assert env["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID" and env["CUDA_VISIBLE_DEVICES"] == fastest[-1]


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("1", ["cuda:1"]),
        ("1,0", ["cuda:1", "cuda:0"]),
        ("", []),
        ("-1", []),
        ("NoDevFiles", []),
        ("0,-1,1", ["cuda:0"]),
        ("0,0", ["cuda:0"]),
        ("GPU-1aaa", ["cuda:1"]),
        ("GPU-0aaa-NVIDIAGeForceRTX3060", ["cuda:0"]),
        ("GPU-zzz", []),
        ("MIG-11aa", ["cuda:MIG-11aa"]),
        ("MIG-unknown", []),
        ("7", []),
        (" 1 ", ["cuda:1"]),
    ],
)
def test_what_cuda_visible_devices_allows_is_offered_and_no_more(machine, monkeypatch, text, ids):
    machine(SMALL, LARGE, torch={"cuda": "12.8"})
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", text)
    assert sorted(card.id for card in detection.cards()) == sorted(ids)
    assert sorted(id for id in ("cuda:0", "cuda:1", "cuda:MIG-11aa") if visible.allowed(id)) == sorted(ids) and visible.allowed("cpu")
    if ids:
        assert processes.environment(ids[0], True)["CUDA_VISIBLE_DEVICES"] == ids[0].removeprefix("cuda:")
    if ids == ["cuda:MIG-11aa"]:
        (part,) = detection.cards()
        assert part.total == 10 * 10**9 and part.bf16, "its memory, and the card's capability"


def test_cards_that_are_lost_or_hidden_are_told(machine, monkeypatch, ws):
    machine(SMALL, None, LARGE, torch={"cuda": "12.8"})
    assert [t["message"].split(" (")[0] for t in detection.troubles()] == ["The card cuda:1 does not answer"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2")
    said = [problem["message"] for problem in diagnostics.report(ws)["problems"]]
    assert "The card cuda:0 is not used: CUDA_VISIBLE_DEVICES is '2'." in said and any("does not answer" in s for s in said)
    machine()
    assert detection.troubles() == []


def test_cards_are_told_with_what_they_can_do(machine):
    machine(L4, None, T4, torch={"cuda": "12.8"})
    first, second = detection.cards()  # the one that fell off the bus is no device
    assert (first.id, first.name, first.free, first.bf16, first.tflops) == ("cuda:0", "NVIDIA L4", 20 * 10**9, True, 121)
    assert (second.id, second.bf16, second.quantizes) == ("cuda:2", False, True)
    assert (first.watts, second.watts, first.bandwidth, second.bandwidth) == (72, 0, 300e9, 320e9) and detection.cpu().watts > 0
    assert [d.id for d in detection.listing()] == ["cuda:0", "cuda:2", "cpu"]
    with pytest.raises(DeviceError) as caught:
        detection.get("cuda:1")
    assert caught.value.available == ["cuda:0", "cuda:2", "cpu"]


def test_a_card_beside_a_torch_for_processors_is_told_with_the_command_that_mends_it(machine):
    machine(L4)
    assert detection.cards() == [] and "pip install" in detection.gpu_without_torch() and "cu128" in detection.gpu_without_torch()
    (told,) = [p for p in diagnostics.report(Workspace()).get("problems") if "NVIDIA card" in p["message"]]
    assert told["remedy"] == detection.gpu_without_torch()
    for cards, torch in (((L4,), {"cuda": "12.8"}), ((), None), ((L4,), {"hip": "6.4"})):
        machine(*cards, torch=torch)
        assert detection.gpu_without_torch() is None


class Workspace:
    root = Path("/")

    def prepare(self):
        return self


def test_amds_cards_are_read_from_sysfs(machine, tmp_path):
    for name, files in {
        "card0": {"vendor": "0x8086"},
        "card1": {"vendor": "0x1002", "mem_info_vram_total": "25753026560", "mem_info_vram_used": "1000000000", "product_name": "Radeon"},
        "card2": {"vendor": "0x1002", "mem_info_vram_total": "nonsense"},
        "card1-DP-1": {},
    }.items():
        (tmp_path / name / "device").mkdir(parents=True)
        for file, text in files.items():
            (tmp_path / name / "device" / file).write_text(text + "\n")
    (card,) = detection._amd_cards(tmp_path)
    assert (card.id, card.kind, card.total, card.free) == ("cuda:0", "cuda", 25753026560, 24753026560)
    assert card.name == "Radeon (ROCm, not yet tried)"
    machine(L4, torch={"hip": "6.4"})
    assert all("ROCm" in d.name for d in detection.cards()), "a ROCm build can't use NVIDIA's cards"


def test_an_apple_says_that_it_is_untried_and_packs_nothing(machine, monkeypatch):
    machine()
    monkeypatch.setattr(detection.sys, "platform", "darwin")
    monkeypatch.setattr(detection.platform, "machine", lambda: "arm64")
    apple = detection.listing()[0]
    assert (apple.id, apple.quantizes) == ("mps", False) and "not yet tried" in apple.name and apple.free <= apple.total


@pytest.mark.parametrize("flags, fast", [("avx2 avx512f", False), ("avx512_bf16", True), ("amx_bf16", True), ("asimd bf16", True)])
def test_a_processor_with_bf16_is_known_by_its_flags(monkeypatch, flags, fast):
    monkeypatch.setattr(detection.Path, "read_text", lambda self, *_, **__: f"flags : fpu {flags}\n")
    assert detection.bf16_is_fast() is fast


def test_the_build_of_torch_is_read_without_importing_it():
    import subprocess

    detection.torch_build.cache_clear()
    built = subprocess.run(
        [sys.executable, "-c", "import torch; print(torch.version.cuda, torch.version.hip)"], capture_output=True, text=True, timeout=120
    )
    assert [str(detection.torch_build()[k]) for k in ("cuda", "hip")] == built.stdout.split()


@pytest.mark.parametrize(
    ("name", "tflops", "gigabytes"),
    [
        ("NVIDIA A100-SXM4-80GB", 312, 1555),
        ("NVIDIA RTX A1000", data_sheets.DEFAULT_TFLOPS, 300),
        ("NVIDIA A10G", 125, 600),
        ("NVIDIA A1000 Laptop GPU", data_sheets.DEFAULT_TFLOPS, 300),
        ("NVIDIA T400 4GB", data_sheets.DEFAULT_TFLOPS, 300),
        ("Tesla T4", 65, 320),
        ("NVIDIA L40S", 181, 864),
        ("NVIDIA L4", 121, 300),
        ("NVIDIA GeForce RTX 4090", 165, 1008),
        ("NVIDIA GeForce RTX 3060 Laptop GPU", 25, 360),
        ("NVIDIA H200", 989, 4800),
    ],
)
def test_a_card_is_not_taken_for_one_whose_number_begins_like_it(name, tflops, gigabytes):
    assert data_sheets.tflops(name) == tflops and data_sheets.bandwidth(name, "cuda") == gigabytes * 1e9
