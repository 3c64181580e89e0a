#!/usr/bin/env python3
"""Records what NannyML estimates (CBPE) for the tables of tests/unit/test_drift_estimate.c.

usage: cbpe.py [FOLDER], with nannyml installed (recorded with 0.13.1). Writes reference.csv and current.csv into the folder
when one is given and prints the estimates. The same generator makes the rows there: scores on a grid of 1/200, so that bins
of single values lose nothing; the scores of the reference are not calibrated, so that NannyML calibrates them.
"""
import sys

MASK = (1 << 64) - 1


def splitmix(state):
    state = (state + 0x9E3779B97F4A7C15) & MASK
    z = state
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return state, z ^ (z >> 31)


def rows(seed, n, squeeze):
    """Of each row: score, answer, truth."""
    for _ in range(n):
        seed, a = splitmix(seed)
        seed, b = splitmix(seed)
        u, v = (a >> 11) / 2**53, (b >> 11) / 2**53
        u = 0.5 + (u - 0.5) * squeeze
        score = int(u * 200) / 200
        yield score, int(score >= 0.5), int(v < score * score)  # too sure of positive rows


def main():
    import nannyml
    import pandas

    sides = {"reference": list(rows(1, 6000, 1.0)), "current": list(rows(2, 5000, 0.5))}
    frames = {k: pandas.DataFrame(v, columns=["s", "p", "y"]) for k, v in sides.items()}
    if len(sys.argv) > 1:
        frames["reference"].to_csv(f"{sys.argv[1]}/reference.csv", index=False)
        frames["current"].drop(columns="y").to_csv(f"{sys.argv[1]}/current.csv", index=False)
    metrics = ["accuracy", "f1", "roc_auc"]
    estimator = nannyml.CBPE(y_pred_proba="s", y_pred="p", y_true="y", problem_type="classification_binary", metrics=metrics,
                             chunk_size=5000)
    estimator.fit(frames["reference"])
    result = estimator.estimate(frames["current"][["s", "p"]]).filter(period="analysis").to_df()
    for m in metrics:
        print(m, repr(float(result[m]["value"].iloc[0])))
    truth = frames["current"]
    print("true accuracy", (truth.p == truth.y).mean(), "needed calibration", estimator.needs_calibration)


if __name__ == "__main__":
    main()
