"""How a bench measures and judges: alternating runs, medians, ratios to a reference, bars.

A case has one subject (`migrate`), one reference, and perhaps peers. They run in turn, A B A B, each from a
target that was made anew, so that what drifts on the machine drifts for all of them. The median of the
subject over the median of the other is the ratio that the bar is about.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys
import time
import typing

EXIT_FAILED = 1
EXIT_BAR_MISSED = 3

RATE = "rows_per_s"
MEMORY = "peak_rss_mib"
CHANGES = "changes_per_s"
LAG = "lag_p99_ms"
UNITS = {RATE: "rows/s", MEMORY: "MiB", CHANGES: "changes/s", LAG: "ms"}
LOWER_IS_BETTER = {MEMORY, LAG}


class RunFailed(Exception):
    """A contender that did not do its work; the message says how it ended."""


@dataclasses.dataclass
class Sample:
    seconds: float
    peak_rss_mib: float


def clean_environment():
    """The environment without what would lead a client to another server or another way of working."""
    kept = {key: value for key, value in os.environ.items()
            if not re.match(r"(PG|MYSQL|MARIADB|MIGRATE)", key)}
    kept["LC_ALL"] = "C.UTF-8"
    return kept


def run_program(argv, folder):
    """Runs to the end; wall time of the whole command, and the peak memory of that process (by wait4; not
    below that of this Python, some 15 MiB, which the kernel counts in until exec)."""
    folder = pathlib.Path(folder)
    output = folder / "output.log"
    with open(output, "wb") as log:
        begin = time.monotonic()
        process = subprocess.Popen([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                   cwd=folder, env=clean_environment())
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:  # interrupted: what was started here ends here
            process.kill()
            process.wait()
            raise
        seconds = time.monotonic() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        tail = output.read_text(errors="replace").strip()[-1500:]
        raise RunFailed(f"{pathlib.Path(argv[0]).name} ended with {process.returncode}:\n{tail}")
    return Sample(seconds, usage.ru_maxrss / 1024)


def processor_speed():
    """Turns of a fixed loop per second, for a quarter of a second: shows a machine whose processors are
    slowed down by others (virtual ones are), which no figure of this bench can be better than."""
    begin = time.process_time()
    turns = 0
    while time.process_time() - begin < 0.25:
        sum(range(20_000))
        turns += 1
    return turns / (time.process_time() - begin)


@dataclasses.dataclass
class Contender:
    name: str
    rows: int
    prepare: typing.Callable[[], None]  # an empty target, servers at rest
    run: typing.Callable[[], Sample]
    check: typing.Callable[[], None]  # raises RunFailed unless every row arrived
    bar: typing.Optional[float] = None  # of the subject's ratio to this one; None: for information

    def sample(self):
        self.prepare()
        taken = self.run()
        self.check()
        return taken


@dataclasses.dataclass
class Case:
    name: str
    metric: str
    subject: Contender
    references: typing.List[Contender]  # the limit first, then the peers
    limit: typing.Optional[float] = None  # MEMORY: there is no reference program but a figure
    runs: typing.Optional[int] = None  # None: as the options say


@dataclasses.dataclass
class Result:
    case: str
    metric: str
    rows: int
    values: typing.List[float]
    reference: str
    reference_values: typing.List[float]
    bar: typing.Optional[float]
    error: str = ""

    @property
    def ratio(self):
        if not self.values or not self.reference_values:
            return None
        return statistics.median(self.values) / statistics.median(self.reference_values)

    @property
    def turn_ratios(self):
        """The ratio of each turn, whose two runs follow one another: their spread tells how well the ratio
        is known on a machine that is now faster and now slower."""
        if len(self.values) != len(self.reference_values):
            return []
        return [round(value / other, 4) for value, other in zip(self.values, self.reference_values)]

    @property
    def passed(self):
        """None where there is nothing to pass: no bar, or only the references were asked for."""
        if self.error:
            return False
        if self.bar is None or self.ratio is None:
            return None
        return self.ratio <= self.bar if self.metric in LOWER_IS_BETTER else self.ratio >= self.bar

    def document(self):
        out = {"case": self.case, "metric": self.metric, "rows": self.rows,
               "value": _median(self.values), "min": _least(self.values), "max": _most(self.values),
               "reference": self.reference, "reference_value": _median(self.reference_values),
               "reference_min": _least(self.reference_values),
               "reference_max": _most(self.reference_values),
               "ratio": None if self.ratio is None else round(self.ratio, 4),
               "turn_ratios": self.turn_ratios, "bar": self.bar,
               "better": "lower" if self.metric in LOWER_IS_BETTER else "higher", "pass": self.passed,
               "runs": max(len(self.values), len(self.reference_values))}
        if self.error:
            out["error"] = self.error
        return out


def _median(values):
    return round(statistics.median(values), 1) if values else None


def _least(values):
    return round(min(values), 1) if values else None


def _most(values):
    return round(max(values), 1) if values else None


def figure(metric, contender, taken):
    return taken.peak_rss_mib if metric == MEMORY else contender.rows / taken.seconds


def measure(case, runs, with_subject, say, speeds):
    """Runs a case and gives one Result per reference. A contender that fails ends its own part only.
    The processors' speed before each run is put to `speeds`."""
    contenders = list(case.references)
    if with_subject:
        contenders.insert(min(1, len(contenders)), case.subject)  # the reference goes first: A B A B
    values = {id(contender): [] for contender in contenders}
    errors = {}
    for run in range(1, (case.runs or runs) + 1):
        for contender in contenders:
            if id(contender) in errors:
                continue
            speeds.append(processor_speed())
            try:
                taken = contender.sample()
            except RunFailed as failure:
                errors[id(contender)] = str(failure)
                say(f"  {case.name}  {contender.name}: FAILED: {failure}")
                continue
            value = figure(case.metric, contender, taken)
            values[id(contender)].append(value)
            say(f"  {case.name}  run {run}  {contender.name:28} {taken.seconds:8.2f} s "
                f"{value:12,.0f} {unit(case.metric)}")

    subject_values = values.get(id(case.subject), [])
    subject_error = errors.get(id(case.subject), "")
    if case.limit is not None:
        # The figure of a limit is that of the worst run: memory is not an average.
        worst = [max(subject_values)] if subject_values else []
        return [Result(case.name, case.metric, case.subject.rows, worst, "limit", [case.limit], 1.0,
                       subject_error)]
    return [Result(case.name, case.metric, case.subject.rows, subject_values, other.name,
                   values[id(other)], other.bar, subject_error or errors.get(id(other), ""))
            for other in case.references]


def unit(metric):
    return UNITS[metric]


def exit_status(results):
    if any(result.error for result in results):
        return EXIT_FAILED
    return EXIT_BAR_MISSED if any(result.passed is False for result in results) else 0


def noise(results):
    """By reference: how far its own runs lie apart, (max - min) / median. A ratio is no better known."""
    spreads = {}
    for result in results:
        if result.metric == RATE and len(result.reference_values) > 1:
            values = result.reference_values
            spread = (max(values) - min(values)) / statistics.median(values)
            spreads[f"{result.case} {result.reference}"] = round(spread, 4)
    return spreads


def processor_noise(speeds):
    """(max - min) / median of the processors' speed in the course of the bench."""
    return round((max(speeds) - min(speeds)) / statistics.median(speeds), 4) if speeds else 0.0


def _spread(values, metric):
    if not values:
        return "-"
    text = f"{statistics.median(values):,.0f}"
    if len(values) > 1:
        text += f" ({min(values):,.0f}-{max(values):,.0f})"
    return text + ("" if metric == RATE else " " + unit(metric))


def table(results):
    lines = [("case", "migrate", "against", "figure", "ratio", "bar", "result")]
    for r in results:
        verdict = {None: "", True: "pass", False: "FAILED" if r.error else "MISSED"}[r.passed]
        bar = "-" if r.bar is None else ("<= " if r.metric in LOWER_IS_BETTER else ">= ") + f"{r.bar:g}"
        lines.append((r.case, _spread(r.values, r.metric), r.reference, _spread(r.reference_values, r.metric),
                      "-" if r.ratio is None else f"{r.ratio:.3f}", bar, verdict))
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    text = []
    for number, line in enumerate(lines):
        text.append("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())
        if number == 0:
            text.append("  ".join("-" * width for width in widths).rstrip())
    return "\n".join(text)


def machine():
    model = "unknown"
    try:
        model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text()).group(1)
    except (OSError, AttributeError):
        pass
    return {"cores": len(os.sched_getaffinity(0)), "cpu": model,
            "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
            "kernel": platform.release()}


def report(bench, rows, results, speeds, versions, settings, json_file):
    """Prints the table, writes the JSON, and gives the exit status."""
    print(f"\nscripts/bench.sh {bench}: {rows:,} rows, rows/s unless it says otherwise,"
          f" median (min-max)\n\n{table(results)}\n")
    spreads = noise(results)
    for result in results:
        spread = spreads.get(f"{result.case} {result.reference}")
        if spread is not None:
            turns = ", ".join(f"{ratio:.2f}" for ratio in result.turn_ratios)
            print(f"noise of {result.case} {result.reference}: {100 * spread:.1f} % between its own runs"
                  + (f"; ratios turn by turn {turns}" if turns else ""))
    print(f"noise of the processors alone: {100 * processor_noise(speeds):.1f} %")
    for result in results:
        if result.error:
            print(f"failed: {result.case} against {result.reference}: {' '.join(result.error.split())[:300]}")
    if json_file:
        document = {"bench": bench, "rows": rows, "results": [result.document() for result in results],
                    "noise": spreads,
                    "processor_noise": processor_noise(speeds), "machine": machine(),
                    "versions": versions, "settings": settings}
        pathlib.Path(json_file).write_text(json.dumps(document, indent=1) + "\n")
    sys.stdout.flush()
    return exit_status(results)


def _positive(text):
    number = int(text.replace("_", ""))
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def option_parser(bench, description):
    """The options that every bench has."""
    parser = argparse.ArgumentParser(prog=f"scripts/bench.sh {bench}", description=description,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=_positive, default=2_000_000, help="rows of `orders` (2000000)")
    parser.add_argument("--runs", type=_positive, default=3, help="runs of each contender (3)")
    parser.add_argument("--peers", action="store_true", help="measure other tools of the field too")
    parser.add_argument("--only", metavar="CASE_REGEX", help="only cases whose name this matches")
    parser.add_argument("--limits", action="store_true",
                        help="leave `migrate` out: what the reference programs and peers do here")
    parser.add_argument("--json", metavar="FILE", help="write the figures as JSON")
    parser.add_argument("--keep", action="store_true", help="leave the temporary folder")
    # Given by scripts/bench.sh.
    parser.add_argument("--migrate", metavar="BINARY", help=argparse.SUPPRESS)
    parser.add_argument("--references", metavar="FOLDER", help=argparse.SUPPRESS)
    return parser
