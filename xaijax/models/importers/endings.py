"""What the activation at the end of a model says of its output, for models of every library."""

from xaijax._errors import InputError
from xaijax.models._notes import Note


def output_of(activation: str, width: int, given: str | None, what: str, said: list[str]) -> str:
    """What the logits mean, from the activation at the end of a model.

    Args:
        activation: `"softmax"`, `"sigmoid"` or `"linear"`.
        width: how many logits there are.
        given: what the caller says, or None.
        what: what errors call the model.
        said: gets what is assumed.

    Returns:
        `"softmax"`, `"sigmoid"`, `"binary"` or `"regression"`.

    Raises:
        InputError: where the caller contradicts the model, or one number without an activation has no meaning.

    Example:
        >>> output_of("sigmoid", 14, None, "cxr.keras", []), output_of("sigmoid", 1, None, "cxr.keras", [])
        ('sigmoid', 'binary')
    """
    stated = {"softmax": ("softmax",), "sigmoid": ("binary" if width == 1 else "sigmoid", "sigmoid")}.get(activation)
    if stated is not None:
        if given is not None and given not in stated:
            raise InputError(
                f"{what} ends in {activation}, so its output is {stated[0]}, not {given}; leave out output"
            )
        return stated[0] if given is None else given
    if given is not None:
        return given
    if width == 1:
        raise InputError(
            f"{what} returns one number without an activation; say what it is: output='binary' (two classes), "
            "'sigmoid' (a finding) or 'regression'"
        )
    text = f"{what} has no activation at its end: its output is assumed to be softmax; --output overrides"
    said.append(Note(text, "output"))
    return "softmax"
