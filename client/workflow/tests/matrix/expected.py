"""Makes table.csv and expected.json, with which tests/statistics.rs compares: `python3 expected.py`.

The table is drawn from a fixed seed, with groups of different sizes; what is expected of it is computed by SciPy, statsmodels,
NumPy and pandas, whose versions expected.json names.
"""

import json
import pathlib

import numpy
import pandas
import scipy
import statsmodels
from scipy import stats
from statsmodels.stats.multicomp import pairwise_tukeyhsd

HERE = pathlib.Path(__file__).parent
METRICS = [
    "total_duration", "load_duration", "prompt_eval_count", "prompt_eval_duration", "eval_count", "eval_duration",
    "token_per_second", "network_duration",
]
PROMPTS = {
    "Explanation": ("Explain quantum mechanics.", 34, 300),
    "Logical": ("What are the three laws of motion?", 37, 270),
    "Creative": ("Write a short story about a robot discovering emotions.", 39, 310),
    "Numerical": ("What is the next number in the series: 1, 4, 9, 16?", 51, 190),
    "Comparative": ("Compare the features of Python and Java programming languages.", 39, 520),
}
FIRST = {"qwen2.5:0.5b-instruct": 8.0, "smollm2:360m-instruct-q8_0": 7.6}
SECOND = {"granite3.1-moe:1b": 21.8, "llama3.2:1b": 9.5, "qwen2.5:1.5b": 10.3, "smollm2:1.7b": 6.7}
FRONT_ENDS = {"direct": 0.02, "ollama": 0.025, "openai": 0.024}


def step(random, prefix, model, rate, prompt_tokens, tokens, overhead, price):
    prompt_tokens = max(1, int(prompt_tokens + random.integers(0, 3)))
    tokens = max(1, int(random.normal(tokens, tokens / 8)))
    rate = random.normal(rate, rate / 40)
    load = int(random.gamma(2.0, 4e7)) + 50_000_000
    prefill = int(prompt_tokens / (rate * 5) * 1e9 * random.uniform(0.9, 1.1))
    decode = int(tokens / rate * 1e9)
    total = load + prefill + decode + int(random.uniform(1e6, 5e6))
    network = total + int(random.normal(overhead, overhead / 10) * 1e9)
    values = [total, load, prompt_tokens, prefill, tokens, decode, tokens / decode * 1e9, network]
    row = {f"{prefix}_llm": model}
    row |= {f"{prefix}_{name}": value for name, value in zip(METRICS, values)}
    row[f"{prefix}_response_ollama"] = f'{model} says "{tokens} words",\nand no more.'
    return row, (prompt_tokens + tokens) * price


def table():
    random = numpy.random.default_rng(20250708)
    rows = []
    for repeat in (1, 2):
        for front_end, overhead in FRONT_ENDS.items():
            for first, first_rate in FIRST.items():
                for second, second_rate in SECOND.items():
                    for kind, (prompt, prompt_tokens, tokens) in PROMPTS.items():
                        # Some cells were never measured, so that groups differ in size.
                        if random.uniform() < 0.2:
                            continue
                        one, one_cost = step(random, "peer1", first, first_rate, prompt_tokens, tokens, overhead, 3_000)
                        asked = one["peer1_eval_count"] + 20
                        two, two_cost = step(random, "peer2", second, second_rate, asked, 90, overhead * 3, 5_000)
                        # One front-end does not tell its prices.
                        costs = ["", "", ""] if front_end == "openai" else [one_cost + two_cost, one_cost, two_cost]
                        place = {"front_end": front_end, "prompt_type": kind, "repeat": repeat}
                        rows.append({"timestamp": "2025-07-08T09:10:11Z", "prompt": prompt} | one | two
                                    | dict(zip(["cost", "peer1_cost", "peer2_cost"], costs)) | place)
    return pandas.DataFrame(rows)


def tests(frame, factor, measure):
    frame = frame[[factor, measure]].dropna()
    names = list(dict.fromkeys(frame[factor]))
    groups = [frame[frame[factor] == name][measure].to_numpy(dtype=float) for name in names]
    anova = stats.f_oneway(*groups)
    hsd = stats.tukey_hsd(*groups)
    interval = hsd.confidence_interval(0.95)
    check = pairwise_tukeyhsd(frame[measure].to_numpy(dtype=float), frame[factor].to_numpy())
    order = {name: index for index, name in enumerate(check.groupsunique)}
    other = {pair: index for index, pair in enumerate(zip(*check._multicomp.pairindices))}
    pairs = []
    for first in range(len(names)):
        for second in range(first + 1, len(names)):
            p = float(hsd.pvalue[first, second])
            place = tuple(sorted((order[names[first]], order[names[second]])))
            # statsmodels and SciPy agree, so that it does not matter which of them is asked.
            assert abs(p - check.pvalues[other[place]]) < 1e-7, (factor, measure, names[first], names[second])
            pairs.append({
                "first": first, "second": second, "difference": float(-hsd.statistic[first, second]), "p": p,
                "low": float(-interval.high[first, second]), "high": float(-interval.low[first, second]),
            })
    summary = [{
        "group": name, "count": len(group), "mean": float(group.mean()), "deviation": float(group.std(ddof=1)),
        "confidence": float(stats.t.ppf(0.975, len(group) - 1) * group.std(ddof=1) / len(group) ** 0.5),
        "quartiles": [float(value) for value in numpy.quantile(group, [0, 0.25, 0.5, 0.75, 1])],
    } for name, group in zip(names, groups)]
    return {"measure": measure, "groups": summary, "f": float(anova.statistic), "p": float(anova.pvalue), "pairs": pairs}


def main():
    table().to_csv(HERE / "table.csv", index=False, lineterminator="\n")
    frame = pandas.read_csv(HERE / "table.csv")
    first, second = [[f"{peer}_{name}" for name in METRICS] for peer in ("peer1", "peer2")]
    factors = {
        "front_end": first + second + ["cost"], "prompt_type": first + second + ["cost"],
        "peer1_llm": first + ["cost"], "peer2_llm": second + ["cost"],
    }
    measures = first + second + ["cost"]
    ranges = [{
        "groups": groups, "df": df,
        "tails": [[q, float(stats.studentized_range.sf(q, groups, df))] for q in (0.3, 1.0, 2.5, 3.5, 5.0, 9.0)],
        "quantile": float(stats.studentized_range.ppf(0.95, groups, df)),
    } for groups in (2, 3, 5, 8, 20) for df in (2, 3, 7, 20, 75, 400)]
    expected = {
        "versions": {module.__name__: module.__version__ for module in (numpy, pandas, scipy, statsmodels)},
        "factors": {factor: [tests(frame, factor, measure) for measure in names] for factor, names in factors.items()},
        "measures": measures,
        "correlation": frame[measures].corr().to_numpy().tolist(),
        "studentized_range": ranges,
    }
    (HERE / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main()
