"""The results of a run in the terminal."""

from typing import TYPE_CHECKING

from xaijax.bench.results import tables

if TYPE_CHECKING:
    from xaijax.bench.report import Report


def show(made: "Report") -> None:
    """The results in the terminal: one table per model, what to know about them, and the conclusion."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    for model in dict.fromkeys(row.model for row in made.rows):
        for shown in tables(made.rows, model, made.judged.get(model), made.best.get(model)):
            dim = "dim" if shown["apart"] else ""
            title = f"{model}: {shown['title'].lower()}, mean over images"
            grid = Table(title=Text(title, dim), title_justify="left", box=None)
            grid.add_column("", no_wrap=True)
            for metric in shown["metrics"]:
                grid.add_column(metric["heading"], justify="right", vertical="bottom")
            for line in shown["lines"]:
                texts = [
                    Text(
                        f"({cell['n']}) {cell['text']}" if cell["fewer"] else cell["text"],
                        "bold" if cell["best"] else dim,
                    )
                    for cell in line["cells"]
                ]
                grid.add_row(Text(line["method"], dim if line["kind"] == "method" else "dim"), *texts)
            console.print(grid)
            if shown["apart"]:
                console.print(Text(shown["apart"], "dim"))
            console.print()
    for statement in made.said:
        mark = Text("! " if statement.warns else "· ", "yellow" if statement.warns else "dim")
        console.print(mark + Text(statement.text))
    if made.conclusion:
        console.print(Text("\nConclusion", "bold"))
        for sentence in made.conclusion:
            console.print(Text(sentence))
