"""Mail to a normalised message, against GMime alone on the same mail."""

from .core import Figure, note

MAILS = {"short": 0, "long": 1, "photo": 2}


def mail(run):
    figures = {
        name: Figure(f"mail_{name}", "mails/s", "higher", aim=0.5,
                     comment="bare: GMime parses it and decodes every part")
        for name in MAILS}
    for number in run.rounds:
        results = run.google_benchmark("email_benchmark", "BM_(GMimeAlone|Normalise)")
        for name, kind in MAILS.items():
            nanoseconds = [results[f"{which}/mail:{kind}"]
                           for which in ("BM_Normalise", "BM_GMimeAlone")]
            figures[name].add(*(1e9 / n for n in nanoseconds))
        note(f"mail, round {number + 1}: " + ", ".join(
            f"{name} {figure.ours[-1] / figure.bare[-1]:.2f}" for name, figure in figures.items()))
    yield from figures.values()
