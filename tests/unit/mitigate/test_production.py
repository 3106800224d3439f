"""The executor: what it refuses, what it takes back, what its log is good for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from shadowlab.errors import InputError, ShadowLabError
from shadowlab.kernel.ports import ScriptOutcome
from shadowlab.mitigate.export.subject import Subject
from shadowlab.mitigate.production.executor import Production, World
from shadowlab.mitigate.production.form import read_executor
from shadowlab.mitigate.production.journal import Journal, executions
from shadowlab.mitigate.production.steps import Plan, plan
from shadowlab.model.cure.action import Action, AddInstance, MoveRoute, SetMetric

S = 10**9
METRIC = SetMetric(link="a-b", a="a", b="b", before=1, after=9)
SECOND = SetMetric(link="b-c", a="b", b="c", before=1, after=9)
FORM = """\
shadowlab: executor/1
enabled: true
audit: audit.jsonl
approvers: [anna]
level: {command: [/bin/holds], every: 5 s, within: 20 s, in_a_row: 2}
breaker: {failures: 1, most: 3, within: 1 h}
actions:
  metric: {do: [/bin/metric, "{a}/{b}", "{after}"]}
  route: {do: [/bin/route, "{node}", "{after}"]}
"""
OK = ScriptOutcome(exit_code=0, output="", timed_out=False)
BAD = ScriptOutcome(exit_code=1, output="no", timed_out=False)
HUNG = ScriptOutcome(exit_code=124, output="", timed_out=True)


class Fake:
    """A production that remembers what was run; ``answers`` by the words of a command, all others succeed."""

    def __init__(self, folder: Path, form: str = FORM, user: str = "anna") -> None:
        file = folder / "executor.yaml"
        file.write_text(form)
        self.config = read_executor(file)
        self.ran: list[str] = []
        self.answers: dict[str, ScriptOutcome] = {}
        self.now_ns = 1000 * S
        self.user = user
        self.asked: Callable[[], bool] = lambda: False

    def run(
        self, argv: tuple[str, ...], environment: Mapping[str, str], timeout_ns: int, text: str, name: str
    ) -> ScriptOutcome:
        words = " ".join(argv)
        self.ran.append(words)
        return self.answers.get(words, OK)

    def wait(self, ns: int) -> None:
        self.now_ns += ns

    def production(self, journal: Journal, user: str | None = None) -> Production:
        world = World(
            user=user or self.user,
            run=self.run,
            wall_ns=lambda: self.now_ns,
            now_ns=lambda: self.now_ns,
            wait=self.wait,
            asked=lambda: self.asked(),
        )
        return Production(self.config, journal, world)

    def plan(self, *actions: Action) -> Plan:
        return plan(Subject(run="r", cure="c", summary="", gain="", actions=actions or (METRIC,)), self.config)

    def execute(self, *actions: Action) -> str:
        """Dry run and execution; how it ended."""
        with Journal(self.config.audit) as journal:
            production, made = self.production(journal), self.plan(*actions)
            production.look(made)
            return production.execute(made, made.digest).end

    def logged(self) -> list[str]:
        with Journal(self.config.audit) as journal:
            return [str(one["what"]) for one in journal.entries]


@pytest.fixture
def fake(tmp_path: Path) -> Fake:
    return Fake(tmp_path)


def test_a_cure_stays_once_the_service_level_has_held_in_a_row(fake: Fake) -> None:
    ended = fake.execute()

    assert ended == "kept"
    assert fake.ran == ["/bin/metric a/b 9", "/bin/holds", "/bin/holds"]
    assert fake.logged() == ["dry run", "begun", "do", "do ended", "level", "level", "kept"]


def test_a_cure_goes_when_the_service_level_does_not_recover_in_time(fake: Fake) -> None:
    fake.answers["/bin/holds"] = BAD

    ended = fake.execute(METRIC, SECOND)

    assert ended == "taken back"
    assert fake.ran == [
        *("/bin/metric a/b 9", "/bin/metric b/c 9"),
        *["/bin/holds"] * 4,
        *("/bin/metric b/c 1", "/bin/metric a/b 1"),
    ]


@pytest.mark.parametrize("outcome", [BAD, HUNG], ids=["failed", "hung"])
def test_a_step_that_fails_is_taken_back_with_those_before_it_and_none_follows(
    fake: Fake, outcome: ScriptOutcome
) -> None:
    fake.answers["/bin/metric a/b 9"] = outcome

    ended = fake.execute(METRIC, SECOND)

    assert (ended, fake.ran) == ("taken back", ["/bin/metric a/b 9", "/bin/metric a/b 1"])


def test_a_wish_to_end_takes_the_cure_back(fake: Fake) -> None:
    fake.asked = lambda: "/bin/holds" in fake.ran

    ended = fake.execute()

    assert (ended, fake.ran[-1]) == ("taken back", "/bin/metric a/b 1")


def test_the_breaker_opens_after_a_cure_was_taken_back_and_closes_with_time(fake: Fake) -> None:
    fake.answers["/bin/holds"] = BAD
    fake.execute()
    fake.answers.clear()

    with pytest.raises(InputError, match="the circuit breaker is open: 1 of the last executions were taken back"):
        fake.execute()

    fake.now_ns += 3600 * S
    assert fake.execute() == "kept"


def test_the_breaker_opens_when_too_much_is_executed(fake: Fake) -> None:
    assert [fake.execute(), fake.execute(), fake.execute()] == ["kept"] * 3

    with pytest.raises(InputError, match="3 executions were begun within 3600 s, and 3 are the most"):
        fake.execute()


def test_nothing_more_is_executed_while_a_way_back_has_failed_and_recovering_tries_again(fake: Fake) -> None:
    fake.answers = {"/bin/holds": BAD, "/bin/metric a/b 1": BAD}
    assert fake.execute() == "stuck"

    with pytest.raises(InputError, match="c of r is still to be taken back"):
        fake.execute()

    fake.answers.clear()
    with Journal(fake.config.audit) as journal:
        assert [one.end for one in fake.production(journal).recover()] == ["taken back"]
        assert fake.production(journal).recover() == []


def test_what_a_killed_executor_left_is_taken_back_from_the_log_even_with_a_torn_line(fake: Fake) -> None:
    class Killed(BaseException):
        pass

    def killed(argv: tuple[str, ...], *_: object) -> ScriptOutcome:
        fake.config.audit.with_name("copy").write_bytes(fake.config.audit.read_bytes() + b'{"at_ns": 12, "wh')
        raise Killed

    good, fake.run = fake.run, killed  # type: ignore[method-assign,assignment]
    with pytest.raises(Killed):
        fake.execute(METRIC, SECOND)
    fake.config.audit.with_name("copy").replace(fake.config.audit)  # as the log was at that moment
    fake.config.audit.chmod(0o600)
    fake.run = good  # type: ignore[method-assign]

    with Journal(fake.config.audit) as journal:
        torn, ended = journal.torn, fake.production(journal).recover()

    assert (torn, [one.end for one in ended], fake.ran) == (1, ["taken back"], ["/bin/metric a/b 1"])
    with Journal(fake.config.audit) as journal:
        assert [one.end for one in executions(journal.entries)] == ["taken back"]


def test_a_log_that_cannot_be_written_takes_back_what_was_begun(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    with Journal(fake.config.audit) as journal:
        production, made = fake.production(journal), fake.plan()
        production.look(made)
        good = journal.write

        def full(entry: Mapping[str, object]) -> None:
            if entry["what"] in ("begun", "do"):
                good(entry)
            else:
                raise ShadowLabError("no space left")

        monkeypatch.setattr(journal, "write", full)
        with pytest.raises(ShadowLabError, match="no space left"):
            production.execute(made, made.digest)

    assert fake.ran == ["/bin/metric a/b 9", "/bin/metric a/b 1"]


def test_only_approvers_execute_and_only_what_was_looked_at(tmp_path: Path) -> None:
    fake = Fake(tmp_path, FORM.replace("approvers: [anna]", "approvers: [anna, boris]\nfour_eyes: true"))
    with Journal(fake.config.audit) as journal:
        made = fake.plan()
        refusals = []
        for user, digest in (("anna", "0"), ("anna", made.digest), ("eve", made.digest), ("anna", made.digest)):
            with pytest.raises(InputError) as refused:
                fake.production(journal, user).execute(made, digest)
            refusals.append(str(refused.value).split(" ", 1)[1][:30])
            if len(refusals) == 2:
                fake.production(journal, "anna").look(made)
        ended = fake.production(journal, "boris").execute(made, made.digest)

    assert refusals == [
        "is not the digest of these com",
        "has made a dry run of " + made.digest[:8],
        "is none of the approvers: anna",
        "made the dry run: another appr",
    ]
    assert ended.end == "kept"


def test_it_is_off_unless_switched_on(tmp_path: Path) -> None:
    fake = Fake(tmp_path, FORM.replace("enabled: true\n", ""))

    with pytest.raises(InputError, match="switched off"):
        fake.execute()


@pytest.mark.parametrize("name", ["-rf", "a;reboot", "$(reboot)", "a b", "a\nb", "", "`x`", "a'b"])
def test_a_name_that_is_no_plain_word_is_passed_to_no_program(fake: Fake, name: str) -> None:
    with pytest.raises(InputError, match="only letters, digits"):
        fake.plan(MoveRoute(node=name, target="t", before=("x",), after=("y",)))


def test_a_blank_alone_becomes_as_many_words_as_it_has(fake: Fake) -> None:
    made = fake.plan(MoveRoute(node="n", target="t", before=("x",), after=("y", "z")))

    assert (made.steps[0].do, made.steps[0].back) == (("/bin/route", "n", "y", "z"), ("/bin/route", "n", "x"))


def test_what_has_no_command_or_no_way_back_is_refused_before_anything_runs(tmp_path: Path) -> None:
    fake = Fake(tmp_path, FORM + '  server: {do: [/bin/start, "{node}"]}\n')

    with pytest.raises(InputError) as refused:
        fake.plan(AddInstance(workload="w", node="n", like="m"))

    assert "there is no way back; state `actions.server.back`" in str(refused.value)


def test_two_executors_do_not_share_a_log(fake: Fake) -> None:
    with Journal(fake.config.audit), pytest.raises(InputError, match="another executor is at work"):
        Journal(fake.config.audit).__enter__()


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("/bin/holds", "holds", "executor.yaml:5:18: level.command: the program must be an absolute path"),
        ("[/bin/metric,", "[/bin/sh, -c,", "a shell is not started from here"),
        ("{after}", "{text}", "{text} is no field of it; there are a, after, b, before, link"),
        ("  metric:", "  metrics:", "actions.metrics: no action; there are metric, route"),
        ("enabled: true", "enabled: 1", "executor.yaml:2:10: enabled: "),
        ("within: 20 s", "within: 0 s", "must be above zero"),
        ("approvers: [anna]", "approvers: []", "approvers"),
    ],
)
def test_a_configuration_that_is_wrong_is_told_with_its_place(
    tmp_path: Path, before: str, after: str, said: str
) -> None:
    assert before in FORM
    with pytest.raises(InputError) as refused:
        Fake(tmp_path, FORM.replace(before, after))

    assert said in str(refused.value)


def test_a_configuration_or_a_log_that_everybody_may_change_is_refused(fake: Fake, tmp_path: Path) -> None:
    fake.execute()
    fake.config.audit.chmod(0o666)
    with pytest.raises(InputError, match="others may write this log"):
        fake.execute()

    (tmp_path / "executor.yaml").chmod(0o666)
    with pytest.raises(InputError, match="every user of this machine may change this file"):
        read_executor(tmp_path / "executor.yaml")
