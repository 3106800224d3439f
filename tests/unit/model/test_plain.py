"""Dataclasses to JSON and back."""

import json

import pytest

from shadowlab.lab.job import Job
from shadowlab.model.flow import FlowSpec, Path
from shadowlab.model.impairment import Framing, Impairment, Slot
from shadowlab.model.jitter import JitterShape, standard_table
from shadowlab.model.loss import Chance, FourState, GilbertElliott, Reorder
from shadowlab.model.plain import from_plain, to_plain
from shadowlab.model.queue import Cake, Codel, Fifo, Pie, Red
from shadowlab.shadow.ops import CreateNode, ImpairEgress, RunScript, TimedChange
from shadowlab.shadow.traffic_ops import ScaleDemand


def a_job() -> Job:
    slow = Impairment(delay_ns=5_000_000, loss=0.01, rate_bps=10**7)
    return Job(
        seed=7,
        duration_ns=10**10,
        sample_every_ns=10**9,
        probe_every_ns=2 * 10**8,
        build=(
            CreateNode(node="a", address="192.0.2.1", forwards=False),
            ImpairEgress(node="r", interface="to-a", direction="r>a", impairment=slow),
        ),
        addresses={"a": "192.0.2.1"},
        interface_directions={"r/to-a": "a-r|r|a"},
        flows=(FlowSpec(id="f", source="a", target="b", flow_class="paced", rate_bps=1000),),
        paths=(Path(source="a", target="b"),),
        watched=(),
        timeline=(
            TimedChange(
                at_ns=5,
                reason="why",
                ops=(
                    ScaleDemand(flows=("f",), factor=1.5),
                    RunScript(node="r", name="n", text="true", environment=(("A", "b"),), timeout_ns=3),
                ),
            ),
        ),
    )


def test_a_job_comes_back_as_it_went() -> None:
    job = a_job()

    again = Job.from_bytes(job.to_bytes())

    assert again == job


def test_the_same_job_gives_the_same_bytes() -> None:
    assert a_job().to_bytes() == a_job().to_bytes()


def test_a_whole_number_in_a_float_field_becomes_a_float() -> None:
    again = from_plain(Impairment, json.loads(json.dumps(to_plain(Impairment(loss=1)))))

    assert isinstance(again.loss, float)


def test_what_has_no_plain_form_is_refused() -> None:
    with pytest.raises(TypeError, match="set has no plain form"):
        to_plain({1, 2})


def test_an_impairment_with_everything_comes_back_as_it_went() -> None:
    table = standard_table([1.0, 2.0, 4.0])
    for queue in (Fifo(bytes=9), Red(limit_bytes=9, min_bytes=1, max_bytes=3), Codel(fair=True), Pie(), Cake()):
        for model in (GilbertElliott(p=0.1, r=0.5), FourState(p13=0.1, p31=0.5)):
            wanted = Impairment(
                delay_ns=10**7,
                jitter_ns=10**5,
                jitter_shape=JitterShape(distribution="empirical", table=table.entries, stretch=table.stretch),
                loss_model=model,
                duplicate=Chance(share=0.1),
                reorder=Reorder(share=0.1, gap=3),
                framing=Framing(packet_bytes=8),
                slot=Slot(least_ns=1, most_ns=2),
                rate_bps=10**7,
                queue=queue,
            )

            assert from_plain(Impairment, json.loads(json.dumps(to_plain(wanted)))) == wanted
