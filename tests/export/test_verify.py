"""Verify: an export that was made anywhere against the model it was made from."""

import shutil

import pytest

from tests.cli.test_cli import call
from tuner import paths
from tuner.errors import RequestError
from tuner.export import making, verification
from tuner.workers.exporting import verify


@pytest.fixture(scope="module")
def adapter(house, tmp_path_factory):
    """The exported adapter, elsewhere."""
    out = tmp_path_factory.mktemp("verify") / "adapter"
    making.make(house.ws, house.lora, "adapter", out)
    return out


def test_an_adapter_passes_against_its_run_and_not_against_the_bare_base(house, adapter):
    request = {"base": str(paths.STARTER), "adapter": str(house.run(house.lora).path / "model"), "export": str(adapter)}
    good = verify.verify(adapter, request, lambda said: None)
    assert good["passed"] and good["limit"] == "fp32" and good["kl"] < 1e-6 and good["first_difference"] is None
    other = verify.verify(adapter, request | {"adapter": None}, lambda said: None)
    assert other["passed"] is False and other["first_difference"] and "differs" in other["reason"]


@pytest.mark.long
def test_verify_in_the_terminal_exits_with_1_for_another_model(house, adapter, tmp_path):
    assert call(house.ws, "verify", "starter", house.lora, adapter)["passed"] is True
    shutil.copytree(paths.STARTER, tmp_path / "base")
    assert call(house.ws, "verify", tmp_path / "base", adapter, code=1)["passed"] is False


def test_what_is_no_model_adapter_or_export_is_refused(house, adapter, tmp_path):
    (tmp_path / "empty").mkdir()
    for field, asked in (
        ("base", ("no/such-model", str(adapter), None)),
        ("base", (str(tmp_path / "empty"), str(adapter), None)),
        ("adapter", ("starter", str(adapter), str(tmp_path / "empty"))),
        ("adapter", ("starter", str(adapter), "no-such-run")),
        ("export", ("starter", str(tmp_path / "empty"), None)),
        ("export", ("starter", str(tmp_path / "gone.gguf"), None)),
    ):
        with pytest.raises(RequestError) as caught:
            verification.verify(house.ws, *asked)
        assert caught.value.field == field, asked
    assert not list(house.ws.jobs.glob("export-verify-*"))
