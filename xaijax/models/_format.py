"""In which format a model is, in words."""

from pathlib import Path

from xaijax.models._load import ARRAYS, KERAS, ONNX, is_named, locate
from xaijax.models.black_box import is_script
from xaijax.models.checkpoint import is_graph, open_one

WORDS = {
    ".pt2": "exported PyTorch program (.pt2)",
    ".ckpt": "PyTorch or Lightning checkpoint (.ckpt)",
    ".safetensors": "PyTorch weights (.safetensors)",
    ".keras": "Keras model (.keras)",
}


def format_of(path: str | Path) -> tuple[str, Path | None]:
    """In which format a model is, and its file.

    Args:
        path: as for `load`.

    Returns:
        Words, and the file; None for a model that is named after a library.

    Raises:
        FileNotFoundError, InputError: where there is no such model, as `load`.

    Example:
        >>> format_of("builtin")[0], format_of("timm:resnet18")[0]
        ('xaijax checkpoint', 'a module of timm, converted')
    """
    text = str(path)
    if is_script(path):
        place = Path(text.rpartition(":")[0]).expanduser()
        return ("a module that a script makes, converted" if is_named(path) else "a function of a script"), place
    if is_named(path):
        return f"a module of {text.partition(':')[0]}, converted", None
    place, reader = locate(path)
    if reader is None:
        file, header = open_one(place)
        return "xaijax checkpoint" + (" of a converted model" if is_graph(header) else ""), file
    kind = place.suffix.lower()
    if kind in WORDS:
        return WORDS[kind], place
    for endings, words in ((KERAS, "Keras weights or model"), (ARRAYS, "NumPy arrays"), (ONNX, "ONNX model")):
        if kind in endings:
            return f"{words} ({kind})", place
    return f"PyTorch weights ({kind})", place
