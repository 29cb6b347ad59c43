"""One vocabulary: an option means, and says, the same in every command, and what the pages type is what there is."""

import importlib.util
import inspect
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from xaijax import cli
from xaijax._runs import command_line
from xaijax.completion._run import script

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md"), ROOT / "benchmarks/README.md"]
)
# The options of DESIGN's table: no command may give them another name.
OLD = {"images", "method", "options", "settings", "convention", "entropy", "random-masks", "method-options"}


def fields(name):
    """{field: the class that writes its text} of a command's configuration."""
    config = cli.config_class(name)
    found = {}
    for field in config.__dataclass_fields__:
        for one in config.__mro__:
            source = inspect.getsource(one) if one.__module__.startswith("xaijax") else ""
            if re.search(rf"^    {field}: [^\n]*(?:\n(?!    \w|\n)[^\n]*)*\n    \"\"\"", source, re.MULTILINE):
                found[field] = one
                break
    return found


def test_commands_that_share_an_option_share_its_text():
    owners: dict[str, set] = {}
    for name in cli.COMMANDS:
        for field, owner in fields(name).items():
            owners.setdefault(field, set()).add(owner)
    differing = {
        field: sorted(map(str, found))
        for field, found in owners.items()
        if len({text_of(owner, field) for owner in found}) > 1
    }
    # A name is what a command lists, the comparison of a profile is a file, that of a cascade methods; --config says
    # which files come with the command.
    assert set(differing) <= {"name", "compare", "config"}, differing


def text_of(owner, field):
    source = inspect.getsource(owner)
    found = re.search(rf"^    {field}: .*?\"\"\"(.*?)\"\"\"", source, re.MULTILINE | re.DOTALL)
    return " ".join(found.group(1).split())


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_option_has_a_text_and_no_old_name(name):
    known = {option.name for option in command_line.options(cli.config_class(name))}
    allowed = {"images"} if name == "explain" else set()  # there they are the files themselves
    assert not known & (OLD - allowed)
    missing = set(cli.config_class(name).__dataclass_fields__) - set(fields(name))
    assert not missing


@pytest.mark.parametrize("name", ["bench", "calibrate", "clusters", "train", "cascade", "profile"])
def test_every_long_command_can_resume(name):
    known = {option.name for option in command_line.options(cli.config_class(name))}
    assert {"out", "resume", "config"} <= known


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (command, name)
        for command in ("bench", "calibrate", "clusters", "train", "cascade", "profile")
        for name in command_line.shipped(cli.config_class(command))
    ],
)
def test_every_option_file_that_comes_with_a_command_is_read_and_named_in_its_help(command, name):
    config = cli.config_class(command)
    needed = [f"--{one.name}" for one in command_line.options(config) if one.required]
    made = cli.parse(command, ["--config", name, *(word for option in needed for word in (option, "x"))])
    table = command_line.read_file(command_line.shipped(config)[name], config.__dataclass_fields__)
    for key, value in table.items():
        if key == "set":
            value = [f"{family}.{option}={one}" for family, own in value.items() for option, one in own.items()]
        assert getattr(made, key) == (tuple(value) if isinstance(value, list) else value)
    assert name in text_of(config, "config")


def test_a_study_can_resume():
    known = {option.name for option in command_line.options(cli.config_class("study"))}
    assert {"out", "resume", "plan"} <= known  # its file takes the place of --config


def test_what_a_file_does_not_say_can_be_stated_in_every_command():
    """Of a model: its preprocessing, its output and its layer; of images: their window."""
    for name in cli.COMMANDS:
        known = {option.name for option in command_line.options(cli.config_class(name))}
        if "model" in known and name != "profile":  # which measures speed
            assert {"preprocess", "output"} <= known, name
        if known & {"methods", "layer"} and "model" in known and name not in ("profile", "train"):
            assert "layer" in known, name
        if "data" in known:
            assert "window" in known, name


def shell_lines():
    for page in PAGES:
        text = page.read_text("utf-8")
        blocks = re.findall(r"```(?:sh|bash|console|shell)?\n(.*?)```", text, re.DOTALL)
        blocks += re.findall(r"(?:^    .*\n?)+", text, re.MULTILINE)
        blocks += re.findall(r"`(xaijax [^`]+)`", text)
        for block in blocks:
            for line in re.sub(r"\\\n\s*", " ", block).splitlines():
                for part in re.split(r"&&|\|(?!\|)|;", line):
                    words = part.strip().removeprefix("$ ")
                    if words.startswith(("xaijax ", "python -m ")) and "..." not in words:
                        yield pytest.param(
                            words.partition("   ")[0].partition(" # ")[0], id=f"{page.name}: {words[:70]}"
                        )


@pytest.mark.parametrize("line", [*shell_lines()])
def test_what_the_pages_type_is_understood(line):
    words = shlex.split(line)
    if words[0] == "python":
        place = ROOT / Path(*words[2].split("."))  # of a package that is not installed, such as the benchmarks
        assert place.is_dir() or place.with_suffix(".py").is_file() or importlib.util.find_spec(words[2]) is not None
        return
    command, args = words[1], words[2:]
    if command.startswith("-"):
        assert command in ("--help", "-h", "--version")
        return
    if command.isupper() or "COMMAND" in words:
        return
    assert command in cli.COMMANDS
    stand_ins = {"NAME", "DATA", "MODEL", "RUN"}
    if not stand_ins & set(args) and not {"--help", "-h"} & set(args):
        found = command_line.fault(cli.config_class(command), command, args)
        # A line in a sentence may leave out what it is not about.
        assert not found or (found.startswith(f"xaijax {command} needs") and line.count("--") <= 2), found


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_every_command_and_option(shell):
    text = script(shell)
    for name in cli.COMMANDS:
        assert name in text
        for option in command_line.options(cli.config_class(name)):
            if not option.positional:
                assert (f"-l {option.name}" if shell == "fish" else f"--{option.name}") in text
    for word in ("grad_cam", "sic_webp", "resnet50", "builtin", "phantoms:lung_ct"):
        assert word in text


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("xaijax ben", {"bench"}),
        ("xaijax bench --meth", {"--methods"}),
        ("xaijax bench --methods grad_cam_", {"grad_cam_pp"}),
        ("xaijax bench --methods sobel xrai_", {"xrai_fast"}),
        ("xaijax train --optimizer ad", {"adamw"}),
        ("xaijax metrics sic_web", {"sic_webp"}),
        ("xaijax completion f", {"fish"}),
    ],
)
def test_bash_offers_what_fits(typed, offered):
    words = typed.split()
    code = (
        f"{script('bash')}\nCOMP_WORDS=({shlex.join(words)})\nCOMP_CWORD={len(words) - 1}\n_xaijax\n"
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == offered


@pytest.mark.parametrize("command", ["methods", "metrics", "models"])
def test_the_lists_name_everything_and_describe_one(command, capsys):
    import json

    assert cli.main([command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    names = [entry["name"] for entry in found]
    from xaijax import explain, metrics, models

    known = {"methods": explain.METHODS, "metrics": metrics.METRICS, "models": models.list_models()}[command]
    assert names == list(known)
    assert cli.main([command]) == 0
    assert all(name in capsys.readouterr().out for name in ())
    one = {"methods": "Grad-CAM++", "metrics": "Pointing Game", "models": "ResNet-50"}[command]
    assert cli.main([command, one]) == 0
    assert {"methods": "grad_cam_pp", "metrics": "pointing_game", "models": "resnet50"}[
        command
    ] in capsys.readouterr().out
    assert cli.main([command, "nothing like it"]) == 2
    assert "unknown" in capsys.readouterr().err


def test_importing_the_command_line_is_cheap():
    code = "import sys, xaijax.cli; print(sorted({'jax', 'numpy', 'tyro', 'rich'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
