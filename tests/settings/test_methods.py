"""The registries: each cell is trained or refused in one sentence that names another; a technique is proposed with its reason."""

import importlib.util
import json

import pytest

from tests.planning.test_planner import CARD, CPU
from tuner import cli, models, paths
from tuner.data.schema import column_aliases
from tuner.errors import Problems, TunerError
from tuner.export import model_card
from tuner.planning import method_suggestions, planner
from tuner.planning.memory import activations, parameter_counts
from tuner.planning.planner import DataFacts
from tuner.settings import continuation, methods, objectives, parsing, run_config
from tuner.settings.run_config import Settings

FACTS = {
    "decoder": models.resolve("starter").facts,
    "encoder": models.facts_from_config(
        {"model_type": "bert", "architectures": ["BertForMaskedLM"], "vocab_size": 30522, "hidden_size": 768, "num_hidden_layers": 12}
        | {"num_attention_heads": 12, "intermediate_size": 3072, "max_position_embeddings": 512, "type_vocab_size": 2},
        name="bert-base",
    ),
    "encoder-decoder": models.facts_from_config(
        {"model_type": "t5", "architectures": ["T5ForConditionalGeneration"], "vocab_size": 32128, "d_model": 512, "d_kv": 64, "d_ff": 2048}
        | {"num_layers": 6, "num_decoder_layers": 6, "num_heads": 8, "n_positions": 512, "feed_forward_proj": "relu"},
        name="t5-small",
    ),
}
CELLS = [(m, o, f) for m in methods.METHODS for o in objectives.OBJECTIVES for f in objectives.FAMILIES]


def model(family):
    return models.Model(family, "folder", FACTS[family], "/nowhere")


def plan(family, objective, method, device=CARD, **settings):
    kind = objectives.get(objective).kinds[0]
    asked = parsing.parse({"objective": objective, "method": method, **settings})
    return planner.plan(asked, model(family), DataFacts(kind, 1000, 50, 60.0, 200), device=device)


@pytest.mark.parametrize(("method", "objective", "family"), CELLS)
def test_each_cell_is_planned_or_refused_in_one_sentence(method, objective, family):
    no = methods.refusal(method, objective, FACTS[family])
    if no is None:
        p = plan(family, objective, method)
        assert p.settings.method == method and p.settings.objective == objective and p.steps > 0
        assert 0 < p.trainable_parameters <= p.total_parameters * 1.1 and sum(p.breakdown.values()) == p.peak_bytes
        return
    assert no.endswith(".") and "hoose" in no and len(no) < 400
    with pytest.raises(TunerError) as caught:
        plan(family, objective, method)
    assert no in str(caught.value) or any(no == e["message"] for e in caught.value.as_list())
    assert all(e["field"] in ("objective", "method") and e["available"] for e in caught.value.as_list())
    assert objectives.refusal(objective, FACTS[family]) is None or all("none" not in e["available"] for e in caught.value.as_list())


@pytest.mark.parametrize("family", objectives.FAMILIES)
def test_every_family_can_learn_something_in_most_ways(family):
    able = {o: [m for m in methods.METHODS if not methods.refusal(m, o, FACTS[family])] for o in objectives.OBJECTIVES}
    own = {"decoder": "chat", "encoder": "classification", "encoder-decoder": "seq2seq"}[family]
    assert len(able[own]) >= 8 and "lora" in able[own] and "full" in able[own]


def test_what_breaks_with_a_technique_is_switched_off_and_refused():
    p = plan("decoder", "chat", "prefix")
    assert p.settings.gradient_checkpointing is False and p.settings.packing is False
    assert "does not work" in next(r.reason for r in p.reasons if r.setting == "gradient_checkpointing")
    for method, setting in (("prefix", "gradient_checkpointing"), ("prompt", "packing"), ("p_tuning", "packing")):
        with pytest.raises(TunerError) as caught:
            plan("decoder", "chat", method, **{setting: True})
        assert caught.value.as_list()[0]["field"] == setting
    with pytest.raises(TunerError):
        plan("encoder", "classification", "lora", packing=True)


def test_qlora_is_lora_on_packed_weights():
    one, two = plan("decoder", "chat", "lora", quantization="nf4"), plan("decoder", "chat", "qlora")
    assert one.settings.method == two.settings.method == "qlora" and two.settings.quantization == "nf4"
    assert plan("decoder", "chat", "qlora", quantization="int8").settings.quantization == "int8"
    assert two.breakdown["weights"] < plan("decoder", "chat", "lora").breakdown["weights"]
    for refused in ({"method": "full", "quantization": "nf4"}, {"method": "qlora", "quantization": "int8", "use_dora": True}):
        with pytest.raises(TunerError) as caught:
            plan("decoder", "chat", **refused)
        assert caught.value.as_list()


def test_the_last_layers_are_bounded_by_the_models():
    depth = FACTS["decoder"].depth
    assert (
        plan("decoder", "chat", "last_layers", last_layers=depth).trainable_parameters
        > plan("decoder", "chat", "last_layers").trainable_parameters
    )
    with pytest.raises(TunerError, match=f"1 to {depth}"):
        plan("decoder", "chat", "last_layers", last_layers=depth + 1)


@pytest.mark.parametrize("method", methods.METHODS)
def test_each_technique_has_its_rate_and_warns_outside_its_range(method):
    m = methods.get(method)
    assert m.rates[0] <= m.rate <= m.rates[1] and m.rates[0] <= m.tiny_rate <= m.rates[1] * 10
    assert m.good.endswith(".") and m.bad.endswith(".") and any(c.isdigit() for c in m.paper)
    assert set(m.settings) <= set(run_config.FIELDS)
    p = planner.plan(parsing.parse({"method": method}), _qwen(), DataFacts("chat", 1000, 50, 60.0, 200), device=CARD)
    assert p.settings.learning_rate == m.rate and not any(w["name"] == "learning_rate_unusual" for w in p.warnings)
    far = planner.plan(
        parsing.parse({"method": method, "learning_rate": 1.0}), _qwen(), DataFacts("chat", 1000, 50, 60.0, 200), device=CARD
    )
    (warning,) = (w for w in far.warnings if w["name"] == "learning_rate_unusual")
    assert "far from what works" in warning["message"] and warning["fixes"][0]["settings"] == {"learning_rate": m.rate}


@pytest.mark.parametrize("method", methods.METHODS)
def test_each_method_is_entered_wherever_the_program_looks_for_it(method):
    m, settings = methods.get(method), Settings(method=method, precision="bf16")
    assert m.saved in ("layers", "whole", "bottleneck") or m.saved.startswith("peft:"), "what its result is"
    assert method in parameter_counts.COUNTS or m.saved in ("layers", "whole"), "the number of its parameters"
    assert activations.way(settings, again=False), "the memory of its activations"
    assert (method in methods.PEFT) is (m.saved not in ("layers", "whole")) and (m.saved in continuation.MERGE) is m.merges


def test_a_method_that_is_entered_nowhere_else_is_never_counted_as_another():
    with pytest.raises(KeyError):
        activations.way(Settings.from_json({"method": "new", "precision": "bf16"}), again=False)
    with pytest.raises(KeyError):
        parameter_counts.trainable(FACTS["decoder"], Settings.from_json({"method": "new"}))


@pytest.mark.parametrize("objective", objectives.OBJECTIVES.values(), ids=lambda o: o.name)
def test_each_objective_is_entered_wherever_the_program_looks_for_it(objective):
    assert importlib.util.find_spec(f"tuner.workers.training.{objective.worker}")
    assert model_card.PIPELINES[objective.name]
    assert objective.kinds and set(objective.kinds) <= set(column_aliases.KINDS)


def _qwen():
    return models.Model(
        "Qwen/Qwen2.5-0.5B-Instruct", "hub", models.resolve("Qwen/Qwen2.5-0.5B-Instruct").facts, "Qwen/Qwen2.5-0.5B-Instruct"
    )


def test_wrong_data_for_an_objective_names_what_fits():
    with pytest.raises(TunerError) as caught:
        planner.plan(parsing.parse({"objective": "tokens"}), model("encoder"), DataFacts("classification", 100, 20, 10.0, 20), device=CPU)
    assert caught.value.as_list()[0]["available"] == ["classification"]


def test_a_method_is_proposed_with_its_reason():
    data = DataFacts("chat", 3000, 100, 60.0, 200)
    found = method_suggestions.offers(parsing.parse({}), _qwen(), data, preset="balanced", device=CARD)
    assert {o.method for o in found} == set(methods.METHODS) and all(o.fits for o in found)
    by = {o.method: o for o in found}
    assert by["full"].trainable == by["full"].trainable > by["lora"].trainable > by["ia3"].trainable > 0
    assert by["qlora"].peak_bytes < by["lora"].peak_bytes < by["full"].peak_bytes
    ask = lambda rows, goal, served, offers=found: method_suggestions.choose(offers, rows=rows, goal=goal, served=served)  # noqa: E731
    assert ask(3000, "knowledge", "one")[0] == "full" and ask(3000, "manner", "one")[0] == "lora"
    assert ask(80, "manner", "many")[0] == "ia3" and ask(80, "knowledge", "one")[0] == "lora"
    small = [o for o in found if o.method in ("qlora", "prompt")]
    method, reason = ask(3000, "manner", "one", small)
    assert method == "qlora" and "fit" in reason
    assert ask(3000, "manner", "one", [])[0] == "qlora"
    assert all(len(method_suggestions.as_row(o)) == 5 for o in found)


def test_problems_are_told_all_at_once():
    with pytest.raises(Problems) as caught:
        plan("encoder", "chat", "full", quantization="int8", micro_batch=3, effective_batch=8)
    assert {e["field"] for e in caught.value.as_list()} == {"objective", "quantization", "micro_batch"}


# --- through the two doors that people use ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def families(tmp_path_factory):
    """Folders with a config.json alone, which is enough to plan with."""
    out = {"decoder": "starter"}
    for family in ("encoder", "encoder-decoder"):
        out[family] = tmp_path_factory.mktemp(family)
        paths.write_json(out[family] / "config.json", FACTS[family].config)
    return {k: str(v) for k, v in out.items()}


IMPOSSIBLE = [(m, o, f) for m, o, f in CELLS if methods.refusal(m, o, FACTS[f])]


def test_the_command_line_refuses_each_impossible_cell(ws, families, capsys):
    assert len(IMPOSSIBLE) > 50
    for method, objective, family in IMPOSSIBLE:
        code = cli.main(
            ["plan", "--model", families[family], "--objective", objective, "--method", method, "--json", "--home", str(ws.home)]
        )
        (error,) = json.loads(capsys.readouterr().out)["errors"]
        assert code == 2 and error["field"] in ("objective", "method") and "hoose" in error["message"], (method, objective, family)
        assert error["available"] and error["asked"] == {"objective": objective, "method": method}[error["field"]]


def test_the_form_refuses_each_impossible_cell_beside_its_field(ws, families):
    import gradio as gr

    from ui.pages.train import TrainPage
    from ui.session import AppContext
    from ui.train_views.draft import Draft

    with gr.Blocks():
        form = TrainPage(AppContext(ws.home, ws.machine), gr.BrowserState({}))
    for method, objective, family in IMPOSSIBLE:
        draft = Draft(model=families[family], chosen={"method": method, "objective": objective})
        out = dict(zip(form.shown, form.plan(ws, draft, None), strict=True))
        fields = json.loads(out[form.fields])["fields"]
        marked = [n for n, state in fields.items() if state["error"]]
        assert marked and set(marked) <= {"objective", "method"}, (method, objective, family)
        assert "hoose" in fields[marked[0]]["error"] and not out[form.start]["interactive"]


@pytest.mark.parametrize("value", ["all", ["all"], "all-linear"])
def test_all_is_all_linear(value):
    assert parsing.parse({"model": "starter", "lora_targets": value}).lora_targets == "all-linear"
