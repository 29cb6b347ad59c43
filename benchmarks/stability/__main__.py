"""The command; see the package's docstring."""

import argparse
from pathlib import Path

from benchmarks import stability
from benchmarks.stability.collect import METHODS, Options, collect


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.stability",
        description=stability.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    steps = parser.add_subparsers(dest="step", required=True)
    one = steps.add_parser("collect", help="explain, rebuild, measure, predict")
    one.add_argument("--data", required=True, help='a folder, or "phantoms"')
    one.add_argument("--model", required=True, help='a checkpoint, or "builtin"')
    one.add_argument("--out", type=Path, required=True)
    one.add_argument("--images", type=int, default=40)
    one.add_argument("--draws", type=int, default=3, help="random masks per image")
    one.add_argument("--transpose", action="store_true")
    one.add_argument("--mask-role", choices=["lesion", "organ", "artefact"])
    one.add_argument("--seed", type=int, default=0)
    one.add_argument("--methods", nargs="+", default=METHODS, choices=METHODS, help="of the study's; default: all")
    two = steps.add_parser("page", help="write the page, its figures and the JSON")
    two.add_argument("runs", type=Path, nargs="+", help="folders that collect wrote")
    options = vars(parser.parse_args())
    if options.pop("step") == "collect":
        collect(Options(**options | {"methods": tuple(options["methods"])}))
    else:
        from benchmarks.stability.page import write

        write(options["runs"])


if __name__ == "__main__":
    main()
