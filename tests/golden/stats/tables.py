"""The tables that tests/golden/stats/compat.py shows to other tools and tests/golden/stats/compat_check.py to ours: from seeds,
with the generator of docs/statistics.md, the same everywhere."""
import math
import pathlib

# rows of reference and current, how far the current one is shifted, which columns
ALL = ["normal", "skewed", "whole", "few", "gaps", "two", "city", "rare", "new"]
CASES = {
    "small": (800, 600, 0.15, ALL),
    "large": (1500, 1300, 0.3, ALL),
    "same": (900, 900, 0, ALL),
    "long": (10400, 5200, 0.2, ["normal", "skewed", "gaps"]),
}


def table(seed, n, shift):
    """Columns of every kind, rounded so that the last digit of a logarithm does not matter."""
    state = seed

    def unit():
        nonlocal state
        state = (1664525 * state + 1013904223) % 2**32
        return state / 2**32

    rows = []
    for _ in range(n):
        normal = sum(unit() for _ in range(12)) - 6
        rows.append(
            {
                "normal": round(normal + shift, 3),
                "skewed": round(-math.log(1 - unit()) * (1 + shift), 3),
                "whole": int(unit() * 60 + 20 * shift),
                "few": int(unit() * (4 + shift)),
                "gaps": "" if unit() < 0.1 else round(unit() * 10 + shift, 2),
                "two": "yes!" if unit() < 0.3 + shift / 4 else "no!",
                "city": "abcdefgh"[min(7, int(unit() ** 2 * 8 + shift))],
                "rare": f"r{int(unit() ** 4 * 60)}",
                "new": "z" if shift and unit() < 0.05 else "pq"[int(unit() * 2)],
            }
        )
    return rows


def write(folder, case):
    """Paths of both sides."""
    n, m, shift, columns = CASES[case]
    paths = []
    for side, seed, rows, moved in (("reference", 12345, n, 0), ("current", 54321, m, shift)):
        path = pathlib.Path(folder) / f"{case}-{side}.csv"
        lines = [",".join(str(r[c]) for c in columns) for r in table(seed, rows, moved)]
        path.write_text("\n".join([",".join(columns)] + lines) + "\n")
        paths.append(path)
    return paths
