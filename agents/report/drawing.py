"""Draw a report: a PNG, or a page of HTML that needs nothing else."""

import io
import warnings
from typing import Any

from agents.report.table import Chart, Report

_WIDE, _HIGH = 10.0, 3.2  # inches, a chart
_DOTS_PER_INCH = 120
#: In place of lines: the first numbers of a report without any.
_BARS = 20

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>{{ report.title }}</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { padding: .3rem .6rem; text-align: left; border-bottom: 1px solid #ddd; }
.right { text-align: right; font-variant-numeric: tabular-nums; }
svg { max-width: 100%; height: auto; }
</style>
</head>
<body>
<h1>{{ report.title }}</h1>
<p>{{ report.span }}</p>
{{ drawing }}
<table>
<thead><tr>{% for column in report.columns %}
<th scope="col"{% if column.is_right %} class="right"{% endif %}>{{ column.heading }}</th>
{%- endfor %}</tr></thead>
<tbody>{% for row in cells %}
<tr>{% for cell in row %}<td{% if report.columns[loop.index0].is_right %} class="right"{% endif %}>
{{- cell }}</td>{% endfor %}</tr>
{%- endfor %}
</tbody>
</table>
{% for note in report.notes %}<p>{{ note }}</p>
{% endfor %}</body>
</html>
"""


def html(report: Report) -> str:
    """Return the page: its charts, its table and its notes."""
    from jinja2 import Environment
    from markupsafe import Markup

    drawing = _drawn(report, "svg").decode() if report.charts or report.rows else ""
    _, _, drawing = drawing.partition("<svg")
    page = Environment(autoescape=True).from_string(_PAGE)
    return page.render(
        report=report,
        cells=list(report.cells()),
        drawing=Markup(f"<svg{drawing}") if drawing else "",  # noqa: S704 - matplotlib escapes
    )


def png(report: Report) -> bytes:
    """Return the charts as a picture."""
    return _drawn(report, "png")


def _drawn(report: Report, form: str) -> bytes:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    charts = [chart for chart in report.charts if chart.lines]
    style: Any = {"svg.hashsalt": report.name, "svg.fonttype": "none", "text.parse_math": False}
    with mpl.rc_context(style), warnings.catch_warnings(action="ignore"):  # of missing glyphs
        figure = Figure(figsize=(_WIDE, _HIGH * max(1, len(charts)) + 0.6), layout="constrained")
        figure.suptitle(f"{report.title}, {report.span}")
        if charts:
            for chart, axes in zip(
                charts, figure.subplots(len(charts), squeeze=False)[:, 0], strict=True
            ):
                _draw_lines(chart, axes)
        else:
            _draw_bars(report, figure.subplots())
        out = io.BytesIO()
        metadata = {"Date": None} if form == "svg" else None
        figure.savefig(out, format=form, dpi=_DOTS_PER_INCH, metadata=metadata)
    return out.getvalue()


def _draw_lines(chart: Chart, axes: Any) -> None:
    from matplotlib.dates import ConciseDateFormatter

    for line in chart.lines:
        values = [float("nan") if value is None else value for value in line.values]
        label = f" {line.label}"  # what begins with an underscore would have no legend
        axes.plot(line.times, values, label=label, linewidth=1.2, marker=".", markersize=2)
    places = axes.xaxis.get_major_locator()
    axes.xaxis.set_major_formatter(ConciseDateFormatter(places))  # type: ignore[no-untyped-call]
    axes.set_title(chart.title, loc="left", fontsize=10)
    axes.set_ylabel(chart.unit)
    axes.grid(visible=True, alpha=0.3)
    axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))


def _draw_bars(report: Report, axes: Any) -> None:
    """Draw the first column of numbers by the columns of names."""
    numbers = [column for column in report.columns if column.is_right and column.kind != "span"]
    names = [column for column in report.columns if column.kind == "text"]
    shown = report.rows[:_BARS]
    if not numbers or not shown:
        axes.text(0.5, 0.5, "nothing was found", ha="center")
        axes.set_axis_off()
        return
    chosen = next((it for it in numbers if it.name in ("success_rate", "budget_left")), numbers[0])
    labels = [" ".join(it.text(row.get(it.name)) for it in names) for row in shown]
    places = range(len(shown))
    axes.barh(places, [float(row.get(chosen.name) or 0) for row in shown])
    axes.set_yticks(places, labels, fontsize=7)
    axes.invert_yaxis()
    axes.set_xlabel(chosen.heading)
