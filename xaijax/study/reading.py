"""Study files: YAML, read and checked at the door.

    study: pic-medical                      a name
    title, about, source                    for the report; source is the publication
    deviations: [...]                       in what the study differs from the publication, sentences
    extends: NAME or FILE                   the study whose keys hold where this file has none
    data: {NAME: {data: PATH, ...}}         options of the data; images: how many the published set has
    models: {NAME: {...}} or [NAME, ...]    architectures, or options of xaijax train for each
    training: {...}                         options of xaijax train for all
    seeds: [0]   folds: 5                   repeats of every training; folds takes the place of seeds
    embeddings: true                        draw the images of the chosen models by pixels and features in the plane
    choose: {best: 3, by: macro_f1}         the models that are explained, by their validation images
    chapters: {NAME: {...}}                 one question: question, run (bench or cascade), data, models, options
    published: [{...}]                      numbers to print next to ours
    tiny: {...}                             keys that the tiny form has in place of these

In `extends` and `tiny` a table is merged key by key, anything else takes the place of what was there, and null removes.
"""

import dataclasses
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from xaijax import _names, _options
from xaijax._errors import InputError
from xaijax._options import Count, Range
from xaijax._runs import command_line
from xaijax._runs.options import WHERE, DataOptions, Seed

FILES = Path(__file__).parent / "files"
CLASSIFIERS = "classifiers"
"""The first chapter of every study."""
Score = Literal["accuracy", "macro_f1", "micro_f1"]


@dataclasses.dataclass(frozen=True)
class DataSet:
    """A data set of a study.

    Attributes:
        options: of `DataOptions`, by name.
        images: how many the published set has; None where that is not said.
    """

    options: Mapping[str, Any]
    images: int | None = None


@dataclasses.dataclass(frozen=True)
class Choose:
    """The rule that chooses models: the `best` by a score on the validation images, the mean over repeats."""

    best: int
    by: Score = "macro_f1"

    def words(self) -> str:
        """The rule in words."""
        name = {"accuracy": "accuracy", "macro_f1": "macro-F1", "micro_f1": "micro-F1"}[self.by]
        return f"the best {self.best} by the {name} on the validation images"


@dataclasses.dataclass(frozen=True)
class Chapter:
    """A question, and the command that answers it.

    Attributes:
        question: a sentence.
        command: bench or cascade.
        data: names of data sets.
        models: `chosen`, `all`, or names.
        options: of the command.
        per_class: metrics that are also listed by class.
        note: what a reader must know.
    """

    question: str
    command: Literal["bench", "cascade"]
    data: tuple[str, ...]
    models: tuple[str, ...]
    options: Mapping[str, Any]
    per_class: tuple[str, ...] = ()
    note: str = ""


@dataclasses.dataclass(frozen=True)
class Published:
    """Numbers of a publication.

    Attributes:
        chapter: that they belong to.
        data: the data set; "" for all.
        model: the model, where rows are methods.
        label: the true class of the images that count; "" for all.
        title, source, note: in words.
        metrics: of the columns.
        rows: name of a method or model -> a value for each metric; null where there is none.
    """

    chapter: str
    title: str
    source: str
    metrics: tuple[str, ...]
    rows: Mapping[str, tuple[Any, ...]]
    data: str = ""
    model: str = ""
    label: str = ""
    note: str = ""


@dataclasses.dataclass(frozen=True)
class Study:
    """A study as its file describes it; see the module."""

    name: str
    title: str
    about: str
    source: str
    deviations: tuple[str, ...]
    data: Mapping[str, DataSet]
    models: Mapping[str, Mapping[str, Any]]
    training: Mapping[str, Any]
    seeds: tuple[int, ...]
    folds: int | None
    embeddings: bool
    choose: Choose | None
    chapters: Mapping[str, Chapter]
    published: tuple[Published, ...]
    content: Mapping[str, Any] = dataclasses.field(repr=False)


def shipped() -> dict[str, str]:
    """The studies that come with xaijax: name -> title."""
    return {path.stem: str(_load(path).get("title", "")) for path in sorted(FILES.glob("*.yaml"))}


def read(name: str, *, tiny: bool = False, paths: Mapping[str, str] | None = None) -> Study:
    """Reads and checks a study.

    Args:
        name: of a study that comes with xaijax, or the path of a YAML file.
        tiny: whether to take its tiny form.
        paths: data set -> where it lies.

    Raises:
        InputError: for a file that is not there or is no study, naming the key, what it was and what is allowed.

    Example:
        >>> study = read("cam-confidence")
        >>> len(study.models), list(study.data)
        (4, ['brain', 'skin', 'chest'])
    """
    table, where, extends = _whole(name)
    tables = table.pop("tiny", None)
    if tiny:
        if not isinstance(tables, dict):
            raise InputError(f"{where} has no tiny form; leave --tiny out, or add a table tiny")
        table = _merged(table, tables)
    _known(table, KEYS, where)
    for name_of, path in (paths or {}).items():
        sets = table.get("data")
        if not isinstance(sets, dict) or name_of not in sets:
            raise InputError(f"--paths names {name_of!r}: {_names.closest(name_of, sets or [])}")
        sets[name_of] = dict(sets[name_of]) | {"data": path}
    if tiny or extends:
        _without_removed(table)
    return _study(table, where)


def _without_removed(table: dict[str, Any]) -> None:
    """Takes away published numbers of chapters and data sets that a tiny form or an extension removed."""
    chapters, data = (table.get(key) or {} for key in ("chapters", "data"))
    for name, one in chapters.items():
        if isinstance(one, dict) and isinstance(one.get("data"), list):
            chapters[name] = one | {"data": [own for own in one["data"] if own in data]}
    table["published"] = [
        one
        for one in table.get("published") or []
        if not isinstance(one, dict)
        or (one.get("chapter") in (*chapters, CLASSIFIERS) and one.get("data", "") in ("", *data))
    ]


KEYS = {
    "study": str, "title": str, "about": str, "source": str, "deviations": tuple[str, ...], "extends": str,
    "data": Mapping, "models": Mapping, "training": Mapping, "seeds": tuple[Seed, ...],
    "embeddings": bool, "folds": _options.Annotated[int, Range(2, 1000)] | None, "choose": Mapping, "chapters": Mapping,
    "published": list, "tiny": Mapping,
}  # fmt: skip


def _whole(name: str) -> tuple[dict[str, Any], str, bool]:
    """The keys of a study with those of one that it extends, the words for it in messages, and whether it extends."""
    path = FILES / f"{name}.yaml"
    if not path.is_file():
        path = Path(name).expanduser()
        if path.suffix not in (".yaml", ".yml"):
            raise InputError(
                f"unknown study {name!r}; give a file that ends in .yaml or .yml, or the name of one that comes with "
                f"xaijax: {_names.closest(name, [one.stem for one in FILES.glob('*.yaml')])}"
            )
    seen: list[Path] = []
    tables: list[dict[str, Any]] = []
    while True:
        if path in seen:
            raise InputError(f"the study file {path} extends itself")
        seen.append(path)
        tables.append(_load(path))
        base = tables[-1].pop("extends", None)
        if base is None:
            break
        path = FILES / f"{base}.yaml" if (FILES / f"{base}.yaml").is_file() else path.parent / str(base)
    table: dict[str, Any] = {}
    for own in reversed(tables):  # from the base on: what null removes must be there
        table = _merged(table, own)
    words = seen[0].stem if seen[0].parent == FILES else seen[0].name
    return table, f"the study {words}", len(seen) > 1


def _load(path: Path) -> dict[str, Any]:
    import yaml

    if not path.is_file():
        raise InputError(f"the study file {path} does not exist")
    try:
        table = yaml.safe_load(path.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"the study file {path} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(table, dict):
        raise InputError(f"the study file {path} must hold a table of keys such as data and models, and holds none")
    return {str(key): value for key, value in table.items()}


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """One table over another; see the module.

    Example:
        >>> _merged({"a": {"x": 1, "y": 2}, "b": [1]}, {"a": {"y": None}, "b": [2, 3]})
        {'a': {'x': 1}, 'b': [2, 3]}
    """
    found = dict(base)
    for key, value in over.items():
        if value is None:
            found.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(found.get(key), Mapping):
            found[key] = _merged(found[key], value)
        else:
            found[key] = value
    return found


def _known(table: Mapping[str, Any], known: Any, where: str) -> None:
    for key in table:
        if key not in known:
            raise InputError(f"{where} has an unknown key {key!r}: {_names.closest(str(key), known)}")


def _table(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InputError(f"{where} must be a table; got {value!r}")
    return {str(key): one for key, one in value.items()}


def _texts(table: Mapping[str, Any], keys: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The simple values of a table, checked."""
    return {key: _options.check(kind, table[key], f"{where}: {key}") for key, kind in keys.items() if key in table}


def _study(table: dict[str, Any], where: str) -> Study:
    for key in ("study", "data", "models", "chapters"):
        if key not in table:
            raise InputError(f"{where} has no {key}; it needs study, data, models and chapters")
    simple = {
        key: KEYS[key] for key in ("study", "title", "about", "source", "deviations", "seeds", "folds", "embeddings")
    }
    given = _texts(table, simple, where)
    data = {name: _data(name, value, where) for name, value in _table(table["data"], f"{where}: data").items()}
    models = table["models"]
    if isinstance(models, list):
        models = {str(name): {} for name in models}
    models = {
        name: _options_of("train", _table(value or {}, f"{where}: models: {name}"), f"{where}: models: {name}")
        for name, value in _table(models, f"{where}: models").items()
    }
    training = _options_of("train", _table(table.get("training", {}), f"{where}: training"), f"{where}: training")
    for name, own in models.items():
        _architecture(name, own, where)
        configured("train", {"data": "phantoms", "out": "."} | training | own, f"{where}: training of {name}")
    chapters = {
        name: _chapter(name, value, list(data), list(models), where)
        for name, value in _table(table["chapters"], f"{where}: chapters").items()
    }
    published = table.get("published", [])
    if not isinstance(published, list):
        raise InputError(f"{where}: published must be a list of tables; got {published!r}")
    if not data or not models:
        raise InputError(f"{where} has no {'data set' if not data else 'model'}; name one or more")
    return Study(
        name=given["study"],
        title=given.get("title", given["study"]),
        about=given.get("about", ""),
        source=given.get("source", ""),
        deviations=given.get("deviations", ()),
        data=data,
        models=models,
        training=training,
        seeds=given.get("seeds", (0,)),
        folds=given.get("folds"),
        embeddings=given.get("embeddings", False),
        choose=_choose(table.get("choose"), where),
        chapters=chapters,
        published=tuple(_published(one, [*chapters, CLASSIFIERS], data, f"{where}: published") for one in published),
        content=table,
    )


def _architecture(name: str, own: Mapping[str, Any], where: str) -> None:
    from xaijax.models import list_models

    try:
        _names.match("architecture", str(own.get("model", name)), list_models())
    except InputError as error:
        raise InputError(f"{where}: models: {error}") from None


def _data(name: str, value: Any, where: str) -> DataSet:
    where = f"{where}: data: {name}"
    table = {key.replace("-", "_"): one for key, one in _table(value, where).items()}
    _known(table, [*(key for key in DataOptions.__dataclass_fields__ if key != "seed"), "images"], where)
    if "data" not in table:
        raise InputError(f"{where} has no data: give a path, or phantoms")
    images = _texts(table, {"images": Count}, where).get("images")
    table.pop("images", None)
    return DataSet(_options_of("train", table, where), images)


def _choose(value: Any, where: str) -> Choose | None:
    if value is None:
        return None
    where = f"{where}: choose"
    table = _table(value, where)
    _known(table, ("best", "by"), where)
    if "best" not in table:
        raise InputError(f"{where} has no best: say how many models are explained")
    return Choose(**_texts(table, {"best": Count, "by": Score}, where))


def _chapter(name: str, value: Any, data: list[str], models: list[str], where: str) -> Chapter:
    where = f"{where}: chapters: {name}"
    if name == CLASSIFIERS:
        raise InputError(f"{where}: every study begins with a chapter of this name; give it another one")
    table = _table(value, where)
    own = {"question": str, "run": Literal["bench", "cascade"], "data": tuple[str, ...], "models": tuple[str, ...]}
    kinds = own | {"per_class": tuple[str, ...], "note": str}
    _known(table, [*kinds, "options"], where)
    if isinstance(table.get("models"), str):
        table["models"] = [table["models"]]
    given = _texts(table, kinds, where)
    if "question" not in given:
        raise InputError(f"{where} has no question; write what it answers in one sentence")
    for kind, names, known in (("data", given.get("data", ()), data), ("models", given.get("models", ()), models)):
        words = ("chosen", "all") if kind == "models" and len(names) == 1 else ()
        for one in names:
            if one not in (*known, *words):
                raise InputError(f"{where}: {kind} names {one!r}: {_names.closest(one, [*known, *words])}")
    command = given.get("run", "bench")
    where_options = f"{where}: options"
    options = _options_of(command, _table(table.get("options", {}), where_options), where_options)
    for key, there in (("data", "data"), ("model", "models")):
        if key in options:
            raise InputError(f"{where_options}: {key} is not an option of a chapter; name {there} in the chapter")
    if command == "bench":
        options = options | _method_names(options, where_options)
        made = configured("bench", options, where_options)
        _check_set(made, where_options)
    else:
        configured("cascade", {"data": "phantoms", "out": "."} | options, where_options)
    return Chapter(
        question=given["question"],
        command=command,
        data=given.get("data", tuple(data)),
        models=given.get("models", ("chosen",)),
        options=options,
        per_class=given.get("per_class", ()),
        note=given.get("note", ""),
    )


def _method_names(options: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Methods and metrics by their own names; unknown ones are refused."""
    from xaijax._runs.metrics import expand_metrics
    from xaijax.explain import methods

    try:
        found: dict[str, Any] = {}
        if "methods" in options:
            found["methods"] = list(_names.match_all("method", options["methods"], methods(without="masks")))
        if "metrics" in options:
            found["metrics"] = list(expand_metrics(options["metrics"]))
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    return found


def _check_set(config: Any, where: str) -> None:
    """Refuses options of methods and metrics that there are not, or that are not allowed."""
    from xaijax.explain import METHODS
    from xaijax.metrics import FAMILIES

    kinds = {name: one.kinds for table in (METHODS, FAMILIES) for name, one in table.items()}
    try:
        given = _options.from_texts(config.set, kinds, used=(*config.methods, *FAMILIES))
        for name in set(given) & set(FAMILIES):
            FAMILIES[name].read_settings(given[name])
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def _published(value: Any, chapters: list[str], data: Mapping[str, DataSet], where: str) -> Published:
    table = _table(value, where)
    kinds: dict[str, Any] = dict.fromkeys(("chapter", "title", "source", "data", "model", "label", "note"), str)
    _known(table, [*kinds, "metrics", "rows"], where)
    given = _texts(table, kinds, where) | _texts(table, {"metrics": tuple[str, ...]}, where)
    for key in ("chapter", "title", "source", "metrics", "rows"):
        if key not in table:
            raise InputError(f"{where} has a table without {key}: {given.get('title', '')!r}")
    if given["chapter"] not in chapters:
        raise InputError(f"{where}: chapter is {given['chapter']!r}: {_names.closest(given['chapter'], chapters)}")
    if given.get("data", "") not in ("", *data):
        raise InputError(f"{where}: data is {given['data']!r}: {_names.closest(given['data'], data)}")
    rows = {}
    for name, values in _table(table["rows"], f"{where}: rows").items():
        if not isinstance(values, list) or len(values) != len(given["metrics"]):
            raise InputError(
                f"{where}: rows: {name} is {values!r}; it must have a value for each of the {len(given['metrics'])} "
                "metrics"
            )
        rows[name] = tuple(values)
    return Published(rows=rows, **given)


def _options_of(command: str, table: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The options of a command that a table gives, by their field names; unknown ones are refused."""
    options = {str(key).replace("-", "_"): value for key, value in table.items()}
    known = set(_config_class(command).__dataclass_fields__) - NOT_IN_FILES
    for key in options:
        if key not in known:
            raise InputError(f"{where} has an unknown option {key!r}: {_names.closest(key, known)}")
    return options


NOT_IN_FILES = {"out", "resume", "config", "until", "device", *WHERE}
"""Options of commands that a study decides itself."""


def _config_class(command: str) -> Any:
    if command == "bench":
        from xaijax.bench import BenchConfig

        return BenchConfig
    if command == "cascade":
        from xaijax.cascade import CascadeConfig

        return CascadeConfig
    from xaijax.train import TrainConfig

    return TrainConfig


def configured(command: str, options: Mapping[str, Any], where: str) -> Any:
    """A configuration of a command from the options of a study, checked as those of its command line.

    Args:
        command: train, bench or cascade.
        options: by field name.
        where: what they belong to, for messages.

    Raises:
        InputError: for a value that is not allowed.
    """
    try:
        return _parsed(command, tuple(command_line.to_arguments(options)))
    except ValueError as error:
        raise InputError(f"{where}: {error}") from None


@functools.lru_cache(maxsize=256)
def _parsed(command: str, arguments: tuple[str, ...]) -> Any:
    """A configuration, which cannot be changed; a plan asks for the same ones again and again."""
    return command_line.parse(_config_class(command), command, arguments)
