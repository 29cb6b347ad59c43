"""`xaijax doctor`: prints what is installed, what works, and how to fix what does not."""

import dataclasses
import json

from xaijax.doctor.checks import Finding, examine
from xaijax.doctor.config import DoctorConfig


def run(config: DoctorConfig) -> int:
    """Prints the examination; returns 1 where something that everybody needs is broken, else 0."""
    findings = examine()
    if config.json:
        print(json.dumps([dataclasses.asdict(finding) for finding in findings], indent=2))
    else:
        _print(findings)
    return int(any(finding.state == "broken" for finding in findings))


def _print(findings: list[Finding]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    colours = {"ok": "green", "missing": "yellow", "broken": "bold red"}
    table = Table(box=None, show_header=False, pad_edge=False)
    section = None
    for finding in findings:
        name = "" if finding.section == section else finding.section
        if name and section is not None:
            table.add_row()
        section = finding.section
        state = Text({"ok": "✓", "missing": "–", "broken": "✗"}[finding.state], colours[finding.state])
        table.add_row(Text(name, "bold"), state, Text(finding.name), Text(finding.value))
    console.print(table)
    amiss = [finding for finding in findings if finding.state != "ok"]
    console.print()
    if not amiss:
        console.print("Nothing is missing.")
    for finding in amiss:
        word = "optional" if finding.state == "missing" else "broken"
        console.print(Text(f"{word}: {finding.name}: {finding.value}", colours[finding.state]))
        if finding.fix:
            console.print(Text(f"    {finding.fix}"), soft_wrap=True)
