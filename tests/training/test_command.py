"""What the commands that train share: values checked where they enter, failed starts, --count, option files."""

import dataclasses
import json
import math
import pkgutil
import re
import shlex
from pathlib import Path

import pytest

import xaijax.training
from xaijax import cli, evaluate, train
from xaijax._errors import InputError
from xaijax._runs import command_line
from xaijax.training import Augmentation, Options
from xaijax.training._train import Record


def test_what_is_public_is_there_and_hides_no_module():
    modules = {found.name for found in pkgutil.iter_modules(xaijax.training.__path__)}
    assert sorted(xaijax.training.__all__) == xaijax.training.__all__
    for name in xaijax.training.__all__:
        assert hasattr(xaijax.training, name)
        assert name not in modules


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("shift", math.nan), ("rotation", math.inf), ("zoom", 1.0), ("brightness", -0.1), ("contrast", math.inf)),
        ("flip", "up"),
    ],
)
def test_augmentation_out_of_range_is_refused_where_it_enters(name, value, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("XAIJAX_DEBUG", raising=False)
    with pytest.raises(InputError, match=f"{name} is .*; it must be"):
        Augmentation(**{name: value})
    words = ["train", "--data", "phantoms", "--out", str(tmp_path / "out"), f"--augmentation.{name}", str(value)]
    assert cli.main(words) == 2
    assert f"--augmentation.{name} is {str(value)!r}; it must be" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("learning_rate", math.nan), ("weight_decay", math.inf), ("batch_size", 1.5), ("patience", 0)),
        *(("devices", 0), ("seed", -1), ("precision", "float16"), ("frozen_epochs", 31)),
    ],
)
def test_options_of_the_library_are_checked(name, value):
    with pytest.raises(InputError, match=f"{name} is .*; it must be"):
        Options(**{name: value})


def test_a_training_that_diverges_at_once_leaves_nothing_behind(config, tmp_path, console):
    out = tmp_path / "out"
    with pytest.raises(InputError, match=r"in epoch 1; start again with a smaller --learning-rate$"):
        train.run(config(out, learning_rate=1e30, optimizer="sgd", warmup=0.0), console=console)
    assert list(tmp_path.iterdir()) == []


def test_a_training_that_diverges_later_says_what_to_do(config, tmp_path, console, monkeypatch):
    out = tmp_path / "out"
    before = Record.add

    def diverge(record, epoch, losses, *rest):
        return before(record, epoch, losses if epoch < 2 else [math.nan], *rest)

    monkeypatch.setattr(Record, "add", diverge)
    sentence = (
        r"in epoch 2; start again with a smaller --learning-rate and another --out: .*out keeps the epochs before"
    )
    with pytest.raises(InputError, match=sentence):
        train.run(config(out), console=console)
    with pytest.raises(InputError, match="already holds a training"):
        train.run(config(out, learning_rate=1e-4), console=console)
    with pytest.raises(InputError, match=sentence):
        train.run(config(out, resume=True), console=console)
    assert (out / "model.safetensors").is_file()


def test_ctrl_c_keeps_what_is_finished_and_nothing_else(config, tmp_path, console, monkeypatch):
    out = tmp_path / "out"
    before = Record.add
    stop = [1]

    def interrupt(record, epoch, *rest):
        if epoch == stop[0]:
            raise KeyboardInterrupt
        return before(record, epoch, *rest)

    monkeypatch.setattr(Record, "add", interrupt)
    with pytest.raises(KeyboardInterrupt):
        train.run(config(out), console=console)
    assert list(tmp_path.iterdir()) == []
    assert "interrupted" not in console.file.getvalue()
    stop[0] = 2
    with pytest.raises(KeyboardInterrupt):
        train.run(config(out), console=console)
    assert f"interrupted; what is finished stays in {out}: add --resume to resume it" in console.file.getvalue()
    assert [path.name for path in (out / "checkpoints").iterdir()] == ["1"]


def test_some_images_of_a_folder_are_taken_evenly_and_the_others_are_not_scored(folder, config, tmp_path, console):
    out = tmp_path / "out"
    done = train.run(config(out, count=18, epochs=1), console=console)
    data = json.loads((out / "run.json").read_text())["data"]
    assert data["classes"] == {"high": 6, "low": 6, "middle": 6}
    used = {*data["training"], *data["validation"], *data["test"], *(name for name, _ in data["skipped"])}
    assert len(used) == 18
    assert len(data["left_out"]) == 49 - 18
    assert not used & set(data["left_out"])
    given = {"data": (str(folder),), "model": (str(out),)}
    same = evaluate.run(evaluate.EvaluateConfig(**given, out=tmp_path / "same"), console=console)
    assert same.metrics[0]["confusion"] == done.test["confusion"]  # the test images alone
    some = evaluate.run(evaluate.EvaluateConfig(**given, out=tmp_path / "some", split="all", count=9), console=console)
    assert [sum(row) for row in some.metrics[0]["confusion"]] == [3, 3, 3]


@pytest.mark.parametrize(
    ("name", "some"),
    [("quick", {"size": 64, "epochs": 10, "batch_size": 16}), ("fine-tune", {"frozen_epochs": 2, "epochs": 12})],
)
def test_the_files_that_come_with_it_are_options_of_the_command(name, some):
    words = ["--data", "d", "--out", "o", "--config", name]
    made = cli.parse("train", words)
    assert {option: getattr(made, option) for option in some} == some
    assert cli.parse("train", [*words, "--epochs", "7"]).epochs == 7
    if name == "fine-tune":
        with pytest.raises(InputError, match="--frozen-epochs needs --weights"):
            made.options()
    else:
        made.options()
    repeated = shlex.split(command_line.repeat("train", made))[2:]
    assert cli.parse("train", repeated) == dataclasses.replace(made, config=None)


def test_the_example_of_the_page_runs(capsys):
    page = Path(__file__).parents[2] / "docs" / "training.md"
    (block,) = re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    exec(block, {})
    *epochs, scores = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in epochs] == ["1", "2", "3", "4", "5"]
    assert all(0 <= float(word) <= 1 for word in scores.split())


@pytest.mark.parametrize("name", ["training", "cascade"])
def test_the_command_lines_of_the_pages_can_be_parsed(name):
    """How-to pages, and the studies that the measurements of each moved to."""
    study = {"training": "real_images", "cascade": "cascade"}[name]
    pages = (Path(__file__).parents[2] / "docs" / page for page in (f"{name}.md", f"studies/{study}.md"))
    text = "\n".join(page.read_text("utf-8") for page in pages).replace("\\\n", " ")
    lines = re.findall(r"(?:^    |`)(xaijax (?:train|evaluate|cascade) --.*?)(?:`|$)", text, re.MULTILINE)
    assert len(lines) > 4
    for line in lines:
        command, *words = shlex.split(line.replace("[B]", "B"))[1:]
        if "--out" in words:
            cli.parse(command, words)
        else:
            assert command_line.fault(cli.config_class(command), command, [*words, "--out", "o"]) == ""
