"""Proves that a change of the code changes no result: `python tests/regression/compare_commits.py BASE`.

Builds wheels of two commits (BASE, and the working tree or `--head`), installs each into an environment of its own,
writes tables of results with both (`dump.py`), and compares them table by table. One line a table; the exit status is
1 if anything differs, 2 if a side could not be made.

    python tests/regression/compare_commits.py main --work /var/tmp/regression
    python tests/regression/compare_commits.py main --head HEAD --only kernels readers/phantoms

Messages (warnings, sentences of refusals) may be worded anew: their differences are listed, and count only with
`--messages`. What is spelled differently on the two sides belongs into `adapters.py`.
"""

import argparse
import dataclasses
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import comparison
import sides
from dump import tables


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base", nargs="?", metavar="BASE", help="commit to compare with")
    parser.add_argument("--head", metavar="REV", help="commit to look at; default: the working tree's tracked files")
    parser.add_argument("--work", type=Path, metavar="DIR", help="keep everything here; a rerun does what is missing")
    parser.add_argument("--only", nargs="+", metavar="TABLE", default=[], help="these tables, or groups of them")
    parser.add_argument("--list", action="store_true", help="list the tables")
    parser.add_argument("--tolerance", type=float, default=0.0, metavar="X", help="largest absolute difference allowed")
    parser.add_argument("--messages", action="store_true", help="changed messages are differences too")
    parser.add_argument("--quick", action="store_true", help="the smallest sizes")
    parser.add_argument("--show", type=int, default=12, metavar="N", help="differences printed of each table")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="tables dumped at the same time")
    parser.add_argument("--timeout", type=float, default=1800, metavar="S", help="seconds one table may take")
    parser.add_argument("--no-build-isolation", action="store_true", help="build with this Python's packages")
    parser.add_argument("--dependencies", type=Path, metavar="ENV", help="environment with the dependencies")
    for side in ("base", "head"):
        words = f"environment in which the {side}'s xaijax is installed already; nothing is built"
        parser.add_argument(f"--env-{side}", type=Path, metavar="ENV", help=words)
    args = parser.parse_args(arguments)
    if args.base is None and not args.list:
        parser.error("name the commit to compare with")
    return args


def chosen(only: Sequence[str]) -> list[str]:
    """The tables of these names or groups, in their order."""
    known = list(tables())
    for name in only:
        if not any(table == name or table.startswith(f"{name}/") for table in known):
            raise SystemExit(f"there is no table or group {name!r}: choose from {', '.join(known)}")
    return [t for t in known if not only or any(t == name or t.startswith(f"{name}/") for name in only)]


@contextmanager
def work_folder(given: Path | None) -> Iterator[Path]:
    """The folder to work in; one of its own, removed at the end, where none is given."""
    if given is not None:
        given.mkdir(parents=True, exist_ok=True)
        yield given.absolute()
        return
    with tempfile.TemporaryDirectory(prefix="compare-commits-") as folder:
        yield Path(folder)


def make_sides(args: argparse.Namespace, work: Path, repository: Path) -> list[sides.Side]:
    """Both sides, built and installed."""
    base, head = (sides.tree_of(repository, revision) for revision in (args.base, args.head))
    found = {"base": base, "head": head}
    ready = {"base": args.env_base, "head": args.env_head}
    dependencies = args.dependencies or work / "dependencies"
    building = [tree for name, (tree, _) in found.items() if ready[name] is None]
    if building and args.dependencies is None:
        sides.make_dependencies(repository, building, dependencies)
    made = []
    for name, (tree, label) in found.items():
        if ready[name] is not None:
            made.append(sides.ready(name, label, tree, work, repository, ready[name]))
            continue
        isolated = not args.no_build_isolation
        made.append(sides.make(name, label, tree, work, repository, dependencies, isolated=isolated))
    if made[0].folder == made[1].folder:  # a commit compared with itself is dumped twice all the same
        made[1] = dataclasses.replace(made[1], dumps="dumps-again")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Compares, prints, and returns the exit status."""
    args = parse(arguments)
    names = chosen(args.only)
    if args.list:
        print("\n".join(names))
        return 0
    repository = Path(sides.git(Path.cwd(), "rev-parse", "--show-toplevel"))
    different = []
    with work_folder(args.work) as work:
        try:
            base, head = make_sides(args, work, repository)
        except sides.BuildError as error:
            print(error, file=sys.stderr)
            return 2
        print(f"base {base.label} ({base.tree[:12]})   head {head.label} ({head.tree[:12]})", flush=True)
        programs = sides.copy_programs(work)
        given = {"quick": args.quick, "timeout": args.timeout}
        with ThreadPoolExecutor(args.jobs) as pool:
            # Both sides of a table are next to each other in the queue.
            jobs: dict[str, list[Future[tuple[Path, float | None]]]] = {
                name: [pool.submit(sides.dump, side, name, programs, **given) for side in (base, head)]
                for name in names
            }
            for name, both in jobs.items():
                (first, took), (second, also) = (job.result() for job in both)
                found = comparison.compare(name, first, second, tolerance=args.tolerance, messages=args.messages)
                times = " + ".join("kept" if seconds is None else f"{seconds:.0f} s" for seconds in (took, also))
                print(f"{found.line()}   ({times})", flush=True)
                for lines in (found.findings, found.changed_notes):
                    for line in lines[: args.show]:
                        print(f"    {line}")
                    if len(lines) > args.show:
                        print(f"    ... and {len(lines) - args.show} more (--show {len(lines)})")
                if found.findings:
                    different.append(name)
    if different:
        print(f"{len(different)} of {len(names)} tables differ: {', '.join(different)}")
        return 1
    print(f"all {len(names)} tables are the same")
    return 0


if __name__ == "__main__":
    sys.exit(main())
