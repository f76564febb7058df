"""CPU time of a portfolio: the plan and of 1,000 scenarios for 10 workloads and 40 options.

Run: python benchmarks/portfolio.py
"""

from __future__ import annotations

import time

import numpy as np

import costmodel as cm

WORKLOADS, OPTIONS, OWN, PROVIDERS, SCENARIOS = 10, 40, 6, 8, 1000


def question(seed: int = 0) -> tuple[list[cm.PortfolioWorkload], list[cm.PortfolioOption]]:
    """Return random workloads and options: dear ones are better, and six are self-hosted."""
    rng = np.random.default_rng(seed)
    workloads = [
        cm.PortfolioWorkload(
            name=f"workload {place}",
            requests_per_month=float(rng.uniform(2e5, 3e6)),
            input_tokens=float(rng.uniform(500, 4000)),
            output_tokens=float(rng.uniform(100, 800)),
            peak_to_mean=2,
            quality_floor=float(rng.uniform(0.4, 0.6)),
        )
        for place in range(WORKLOADS)
    ]
    options = []
    for place in range(OPTIONS):
        level = rng.uniform(0, 1)
        quality = {each.name: float(np.clip(0.4 + 0.5 * level + rng.normal(0, 0.05), 0, 1)) for each in workloads}
        if place < OWN:
            rate = float(rng.uniform(2, 8) * (1.2 - level))
            own = cm.SelfHosted(name=f"own {place}", gpus_per_replica=1, requests_per_second=rate, usd_per_gpu_hour=2.5)
            options.append(cm.PortfolioOption(serving=own, quality=quality, open_weights=True))
            continue
        price = float(0.1 * 30**level * rng.lognormal(0, 0.2))
        serving = cm.HostedAPI(name=f"model {place}", usd_per_million_input=price, usd_per_million_output=4 * price)
        options.append(
            cm.PortfolioOption(
                serving=serving,
                quality=quality,
                provider=f"provider {place % PROVIDERS}",
                seat=("US", "CN", "FR")[place % 3],
                open_weights=bool(rng.uniform() < 0.4),
                capacity=float(rng.uniform(1e6, 1e7)) if place % 5 == 0 else None,
            )
        )
    return workloads, options


def main() -> None:
    """Print the times."""
    workloads, options = question()
    constraints = cm.PortfolioConstraints(provider_cap=0.4, open_weights_share=0.3)
    start = time.process_time()
    result = cm.portfolio(workloads, options, constraints, shocks=cm.PortfolioShocks(scenarios=SCENARIOS))
    plan = time.process_time() - start
    expected, worst = result.expected_usd, result.cvar_usd
    total = time.process_time() - start
    print(f"{WORKLOADS} workloads, {OPTIONS} options ({OWN} self-hosted), {SCENARIOS} scenarios with recourse")
    print(f"CPU time: plan {plan:.2f} s, with scenarios {total:.2f} s")
    print(f"{result.usd_per_month:,.0f} USD per month; 12 months: expected {expected:,.0f}, CVaR {worst:,.0f} USD")


if __name__ == "__main__":
    main()
