"""A compiler launcher that keeps object files by the preprocessed source and the flags.

    CMAKE_CXX_COMPILER_LAUNCHER="python compiler_cache.py FOLDER" cmake ...

The same text with the same compiler and flags gives the same object, wherever the source lies; so a commit that
changes no C++ does not compile it again.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

PATHS = ("-I", "-isystem", "-o", "-MF", "-MT", "-MQ")  # followed by a path, which changes nothing once preprocessed


def key(command: list[str]) -> str | None:
    """The key of a compilation, or None for a command that is none."""
    if "-c" not in command or "-o" not in command:
        return None
    flags, skip = [], False
    for word in command[1:]:
        if skip or word.startswith(("-I", "-MD", "-MMD")):
            skip = False
        elif word in PATHS:
            skip = True
        else:
            flags.append(word)
    position = command.index("-o")
    preprocess = [word for word in command if word not in ("-c", "-MD", "-MMD")]
    preprocess = _without(preprocess, ("-o", "-MF", "-MT", "-MQ"))
    text = subprocess.run([*preprocess, "-E", "-P"], capture_output=True, check=False)
    if text.returncode:
        return None
    compiler = subprocess.run([command[0], "--version"], capture_output=True, check=True).stdout
    source = command[position + 3] if len(command) > position + 3 else ""
    named = [flag for flag in flags if not os.path.exists(flag) and flag != source]
    return hashlib.sha256(b"\0".join([compiler, " ".join(named).encode(), text.stdout])).hexdigest()


def _without(command: list[str], options: tuple[str, ...]) -> list[str]:
    kept, skip = [], False
    for word in command:
        if skip or word in options:
            skip = not skip
            continue
        kept.append(word)
    return kept


def main() -> int:
    """Compiles, or copies what was compiled before."""
    folder, command = Path(sys.argv[1]), sys.argv[2:]
    name = key(command)
    if name is None:
        return subprocess.run(command, check=False).returncode
    target, kept = Path(command[command.index("-o") + 1]), folder / f"{name}.o"
    if kept.is_file():
        shutil.copyfile(kept, target)
        if "-MF" in command:  # read by ninja; the build folder is not used again
            Path(command[command.index("-MF") + 1]).write_text(f"{target}:\n")
        return 0
    status = subprocess.run(command, check=False).returncode
    if status == 0:
        folder.mkdir(parents=True, exist_ok=True)
        partial = folder / f"{name}.{os.getpid()}.partial"
        shutil.copyfile(target, partial)
        partial.replace(kept)
    return status


if __name__ == "__main__":
    sys.exit(main())
