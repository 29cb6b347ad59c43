"""The configuration of `xaijax completion`."""

import dataclasses
from typing import Literal

import tyro


@dataclasses.dataclass(frozen=True)
class CompletionConfig:
    """Print a script that completes commands, options and names.

    bash: eval "$(xaijax completion bash)" in ~/.bashrc; zsh: the same with zsh, in ~/.zshrc after compinit; fish:
    xaijax completion fish > ~/.config/fish/completions/xaijax.fish
    """

    shell: tyro.conf.Positional[Literal["bash", "zsh", "fish"]]
    """The shell."""
