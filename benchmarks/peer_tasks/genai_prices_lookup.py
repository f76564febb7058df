"""Prices of requests with genai-prices; reads models with providers as JSON, prints JSON."""

import json
import sys
import time

from genai_prices import Usage, calc_price

REPEATS = 20

task = json.load(sys.stdin)
usage = Usage(input_tokens=task["input_tokens"], output_tokens=task["output_tokens"])


def price(model: str, provider: str) -> float | None:
    """Return the price of a request [USD], or None if the package has none."""
    try:
        return float(calc_price(usage, model, provider_id=provider).total_price)
    except LookupError:
        return None


figures = {f"{provider}/{model}": price(model, provider) for model, provider in task["models"]}
known = [pair for pair in task["models"] if figures[f"{pair[1]}/{pair[0]}"] is not None]
start = time.process_time()
for _ in range(REPEATS):
    for pair in known:
        price(*pair)
seconds = (time.process_time() - start) / REPEATS / len(known)
print(json.dumps({"seconds": seconds, "figures": figures}))
