import pytest

from xaijax import _names
from xaijax._errors import InputError
from xaijax._runs import command_line, folder, options
from xaijax.bench import BenchConfig, config


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("run.yaml", "methods: [random, sobel]\ncount: 5\nbatch-size: 3\noracle: false\n"),
        ("run.yml", "methods:\n- random\n- sobel\ncount: 5\nbatch_size: 3\noracle: no\n"),
        ("run.toml", 'methods = ["random", "sobel"]\ncount = 5\nbatch_size = 3\noracle = false\n'),
    ],
)
def test_a_file_gives_the_same_options_in_either_language(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text)
    known = [field for field in BenchConfig.__dataclass_fields__ if field != "config"]
    options = command_line.read_file(path, known)
    assert options == {"methods": ["random", "sobel"], "count": 5, "batch_size": 3, "oracle": False}


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
        command_line.read_file(path, ["methods"])
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        command_line.read_file(tmp_path / "none.yaml", [])


def test_the_command_line_has_the_last_word():
    merged = command_line._merge(["--count=3", "--no-oracle"], {"count": 9, "oracle": True, "seed": 4})
    assert merged == ["--count=3", "--no-oracle", "--seed", "4"]


@pytest.mark.parametrize(
    ("names", "sentence"),
    [([], "no method was given"), (["gradcan"], "did you mean grad_cam"), (["random", "random"], "given twice")],
)
def test_names_are_checked(names, sentence):
    with pytest.raises(InputError, match=sentence):
        _names.match_all("method", names, ["grad_cam", "random"])


@pytest.mark.parametrize("change", [{"count": -1}, {"part": 0}, {"seed": -1}, {"batch_size": 0}, {"model": ()}])
def test_impossible_numbers_are_refused(change):
    with pytest.raises(InputError):
        config.check(BenchConfig(**change))


def test_the_command_repeats_the_configuration():
    import shlex

    import tyro

    wanted = BenchConfig(
        count=3, methods=("random",), metrics=("sic_mutual",), oracle=False, mask_role="organ", size=64
    )
    words = shlex.split(wanted.command())
    assert words[:2] == ["xaijax", "bench"]
    assert tyro.cli(BenchConfig, args=words[2:], use_underscores=False) == wanted


def test_only_results_are_compared_on_resumption():
    default = BenchConfig()
    stored = command_line.plain(default) | {"out": "elsewhere", "resume": True}
    assert folder.differences(stored, command_line.plain(default), options.FREE) == []
    changed = command_line.plain(BenchConfig(seed=1))
    assert folder.differences(stored, changed, options.FREE) == [("seed", 0, 1)]


def test_models_get_short_unique_names():
    assert _names.short(["a/ckpt", "b/ckpt", "ckpt.safetensors"]) == ("a-ckpt", "b-ckpt", "ckpt")
    assert _names.short(["x", "x"]) == ("x", "x-2")
