"""--preprocess, --output, --layer: the same words in every command that opens a model, and none of them is ignored."""

import docstring_parser
import pytest

from xaijax import cli
from xaijax._runs import command_line

EXPLAINING = ("bench", "cascade", "clusters", "explain", "models", "profile")
"""Commands in which a method looks at a layer."""
WORDS = {
    "bench": ["--data", "phantoms", "--count", "3", "--methods", "grad_cam", "--metrics", "iou", "--gallery", "0"],
    "calibrate": ["--count", "4", "--metrics", "deletion_black"],
    "cascade": ["--data", "phantoms", "--count", "6", "--form", "frozen", "--rounds", "1", "--compare", "grad_cam"],
    "clusters": ["--data", "phantoms", "--count", "12", "--methods", "grad_cam"],
    "evaluate": ["--data", "phantoms", "--count", "3"],
    "explain": ["image.png", "--methods", "grad_cam"],
    "profile": ["--methods", "grad_cam", "--batch", "1", "--repeat", "1"],
    "models": ["builtin"],
}


def options(command):
    return {one.name: one for one in command_line.options(cli.config_class(command))}


def texts(command):
    """name -> its text in the help."""
    classes = reversed(cli.config_class(command).__mro__[:-1])
    found = (docstring_parser.parse_from_object(one).params for one in classes)
    return {param.arg_name: param.description for params in found for param in params if param.description}


def test_every_command_that_opens_a_model_is_tried_here():
    assert {command for command in cli.COMMANDS if "weights" in options(command)} == {*WORDS, "train"}


@pytest.mark.parametrize("name", ["preprocess", "output", "weights", "size", "layer"])
def test_the_options_have_the_same_words_everywhere(name):
    found = {command: texts(command)[name] for command in (*WORDS, "train") if name in options(command)}
    assert len(set(found.values())) == 1
    assert len(found["explain"]) > 20
    assert set(found) == set(EXPLAINING if name == "layer" else (*WORDS, "train"))


def refused(command, words, folder, capsys, monkeypatch):
    from PIL import Image

    monkeypatch.delenv("XAIJAX_DEBUG", raising=False)
    monkeypatch.chdir(folder)
    Image.new("L", (32, 32), 90).save("image.png")
    model = [] if command == "models" else ["--model", "builtin"]
    out = [] if command == "models" else ["--out", "out"]
    assert cli.main([command, *WORDS[command], *model, *out, *words]) == 2
    return capsys.readouterr().err


@pytest.mark.parametrize("command", WORDS)
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--preprocess", "mean=0.1,0.2,0.3,0.4"], "does not fit images of 1 channel"),
        (["--preprocess", "imagenet"], "imagenet"),
        (["--output", "binary"], "binary"),
    ],
)
def test_no_command_ignores_preprocessing_or_output(command, words, sentence, tmp_path, capsys, monkeypatch):
    assert sentence in refused(command, words, tmp_path, capsys, monkeypatch)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", EXPLAINING)
def test_no_command_ignores_the_layer(command, tmp_path, capsys, monkeypatch):
    found = refused(command, ["--layer", "tup"], tmp_path, capsys, monkeypatch)
    assert "--layer is 'tup', which is not a layer of builtin: did you mean top?" in found
    assert not (tmp_path / "out").exists()
