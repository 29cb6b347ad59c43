import pytest

from xaijax._errors import InputError
from xaijax.bench import plan
from xaijax.bench.plan import BenchConfig


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("run.yaml", "methods: [random, sobel]\nimages: 5\nrandom-masks: 3\noracle: false\n"),
        ("run.yml", "methods:\n- random\n- sobel\nimages: 5\nrandom_masks: 3\noracle: no\n"),
        ("run.toml", 'methods = ["random", "sobel"]\nimages = 5\nrandom_masks = 3\noracle = false\n'),
    ],
)
def test_a_file_gives_the_same_options_in_either_language(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text)
    known = [field for field in BenchConfig.__dataclass_fields__ if field != "config"]
    options = plan.read_file(path, known)
    assert options == {"methods": ["random", "sobel"], "images": 5, "random_masks": 3, "oracle": False}


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("run.yaml", "metods: [random]", "did you mean methods"),
        ("run.yaml", "- random", "must hold a table"),
        ("run.yaml", "a: [1", "cannot be read"),
        ("run.toml", "a = ", "cannot be read"),
        ("run.json", "{}", "must end in"),
    ],
)
def test_a_bad_file_is_refused_in_one_sentence(tmp_path, name, text, sentence):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(InputError, match=sentence) as caught:
        plan.read_file(path, ["methods"])
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        plan.read_file(tmp_path / "none.yaml", [])


def test_the_command_line_has_the_last_word():
    merged = plan.merge(["--count=3", "--no-oracle"], {"images": 9, "oracle": True, "seed": 4})
    assert merged == ["--seed", "4", "--count=3", "--no-oracle"]


@pytest.mark.parametrize(
    ("names", "sentence"),
    [([], "no method was given"), (["gradcam"], "did you mean grad_cam"), (["random", "random"], "given twice")],
)
def test_names_are_checked(names, sentence):
    with pytest.raises(InputError, match=sentence):
        plan.check_names("method", names, ["grad_cam", "random"])


@pytest.mark.parametrize("change", [{"count": -1}, {"part": 0}, {"seed": -1}, {"random_masks": 0}, {"model": ()}])
def test_impossible_numbers_are_refused(change):
    with pytest.raises(InputError):
        plan.check(BenchConfig(**change))


def test_the_command_repeats_the_configuration():
    import shlex

    import tyro

    config = BenchConfig(count=3, methods=("random",), entropy=("mutual",), oracle=False, mask_role="organ", size=64)
    words = shlex.split(config.command())
    assert words[:2] == ["xaijax", "bench"]
    assert tyro.cli(BenchConfig, args=words[2:], use_underscores=False) == config


def test_only_results_are_compared_on_resumption():
    config = BenchConfig()
    stored = command_line.plain(config) | {"out": "elsewhere", "resume": True}
    assert plan.differs(config, stored) is None
    assert plan.differs(BenchConfig(seed=1), stored) == "seed"


def test_models_get_short_unique_names():
    assert plan.model_names(["a/ckpt", "b/ckpt", "ckpt.safetensors"]) == ("a-ckpt", "b-ckpt", "ckpt")
    assert plan.model_names(["x", "x"]) == ("x", "x-2")
