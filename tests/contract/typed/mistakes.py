"""Mistakes that a type checker reports: each marked line has exactly one error of the named code.

The functions are never called; `test_typing.py` runs mypy on this file.
"""

import costmodel as cm


def misspelt_fields() -> None:
    cm.Scenario(architecure="llama-3.1-8b", recipe=cm.Pretraining("1T"), cluster=cm.Cluster("H100-SXM", 8))  # call-arg
    cm.Layout(dta=4)  # call-arg
    cm.Cluster("H100-SXM", 8, sit=cm.Site())  # call-arg
    cm.Site(puee=1.1)  # call-arg
    cm.Rental(provder="lambda")  # call-arg
    cm.Pretraining(tokens="1T", sequence_lenght=4096)  # call-arg
    cm.LoRA(tokens="20M", rnk=8)  # call-arg
    cm.QLoRA(tokens="20M", target=["query"])  # call-arg
    cm.DPO(examples=1000, lengths=400, precomputed=True)  # call-arg
    cm.GRPO(examples=1000, lengths=400, groups=8)  # call-arg
    cm.Distillation(tokens="20M", teachr="llama-3.1-70b")  # call-arg
    cm.Reliability(restart="600 s")  # call-arg
    cm.Accelerator("My-chip", bf_16="500 TFLOP/s")  # call-arg
    cm.Capability("mine", referense_cost=1e6)  # call-arg
    cm.Project("mine", persons=())  # call-arg
    cm.Trend(1.2, levels=0.8)  # call-arg


def missing_fields() -> None:
    cm.Scenario("llama-3.1-8b", cm.Pretraining("1T"))  # call-arg
    cm.Cluster("H100-SXM")  # call-arg
    cm.Pretraining(sequence_length=4096)  # call-arg


def wrong_types() -> None:
    cm.Cluster("H100-SXM", [8])  # arg-type
    cm.Layout(recompute="everything")  # arg-type
    cm.Layout(sequence_parallel="yes")  # arg-type
    cm.Pretraining(tokens=None)  # arg-type
    cm.Pretraining(tokens="1T", precision="bf8")  # arg-type
    cm.Rental(purchase_model="on demand")  # arg-type
    cm.LoRA(tokens="20M", packing=1.5)  # arg-type
    cm.Scenario("llama-3.1-8b", "pretraining", cm.Cluster("H100-SXM", 8))  # arg-type
    cm.estimate("llama-3.1-8b")  # call-overload


def misspelt_attributes() -> None:
    scenario = cm.Scenario("llama-3.1-8b", cm.Pretraining("1T"), cm.Cluster("H100-SXM", 8))
    print(scenario.clustr)  # attr-defined
    print(cm.estimate(scenario).gpu_hour)  # attr-defined
