"""Logs with times that no run has."""

import pytest

import costmodel as cm

RUN = cm.Scenario("llama-3.1-8b", cm.Pretraining(tokens="10B"), cm.Cluster("H100-SXM", 64), prices=cm.Rental(price=2))


def test_a_log_whose_steps_take_no_time_is_refused(tmp_path):
    times = {step: 1.7e9 + 10 * step for step in range(100, 2100, 100)}
    times[300] = times[1400]  # its row comes after that of step 1300, and the next step is 1400
    path = tmp_path / "log.csv"
    path.write_text("step,timestamp\n" + "".join(f"{step},{time}\n" for step, time in times.items()), encoding="utf-8")
    with pytest.raises(cm.InputError, match="steps in a row take no time; the times of a log must rise with its steps"):
        cm.forecast(RUN, path)
