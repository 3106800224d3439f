"""Files that remember where everything stands, and every way in which they can be wrong."""

from __future__ import annotations

import pydantic
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shadowlab.errors import InputError
from shadowlab.topology.positioned import load_positioned, validate


def complaint(text: bytes) -> str:
    with pytest.raises(InputError) as caught:
        load_positioned(text, name="f.yaml")
    return str(caught.value)


BOMB = b"a: &a [x,x,x,x,x,x,x,x,x,x]\n" + b"".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 10)}]\n".encode() for i in range(9)
)


def test_data_and_the_place_of_every_value() -> None:
    text = b"name: lab\nlinks:\n  l1: {delay: 3 ms, ends: [a, 1]}\n"

    read = load_positioned(text, name="f.yaml")

    assert read.data == {"name": "lab", "links": {"l1": {"delay": "3 ms", "ends": ["a", 1]}}}
    assert read.place(("links", "l1", "delay")) == "f.yaml:3:15"
    assert read.place(("links", "l1", "delay"), of_key=True) == "f.yaml:3:8"
    assert read.place(("links", "l1", "ends", 1)) == "f.yaml:3:31"


def test_what_is_not_there_has_the_place_of_what_is_around_it() -> None:
    read = load_positioned(b"links:\n  l1: {}\n", name="f.yaml")

    place = read.place(("links", "l1", "delay"))

    assert place == "f.yaml:2:7"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("12:30", "12:30"),
        ("007", "007"),
        ("2024-01-01", "2024-01-01"),
        ("7", 7),
        ("-1.5e3", -1500.0),
        ("true", True),
        ("~", None),
        ("'7'", "7"),
        ("!!str 7", "7"),
        (".inf", ".inf"),
    ],
)
def test_scalars_mean_what_they_mean_in_json(text: str, value: object) -> None:
    read = load_positioned(f"a: {text}".encode(), name="f.yaml")

    assert read.data == {"a": value}


def test_an_alias_stands_for_its_value_and_has_its_place() -> None:
    read = load_positioned(b"a: &x {b: 1}\nc: *x\n", name="f.yaml")

    assert read.data == {"a": {"b": 1}, "c": {"b": 1}}
    assert read.place(("c", "b")) == "f.yaml:1:11"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "f.yaml: the file is empty"),
        (b" \n\n", "f.yaml: the file is empty"),
        (b"# nothing but a remark\n", "f.yaml: the file is empty"),
        (b"name: \x00\x01", "f.yaml: this is a binary file, not text: byte 0x00 at offset 6"),
        (b"name: \xff", "f.yaml: this is not UTF-8 text: byte 0xff at offset 6"),
        (b"\xef\xbb\xbfa: \xff", "f.yaml: this is not UTF-8 text: byte 0xff at offset 6"),
        (b"a: [1, 2", "f.yaml:2:1: not valid YAML: a `,` or the closing `]` of this list is missing"),
        (b"a: 1\nb", "f.yaml:3:1: not valid YAML: a `:` is missing after this key (or the line before)"),
        (
            b"a: 1\n b: 2",
            "f.yaml:2:3: not valid YAML: a `:` is not expected here: check the indentation, or put the text in quotes",
        ),
        (b"'abc", "f.yaml:1:5: not valid YAML: the file ends in the middle of a value: a closing quote is missing"),
        (b"a: 1\n---\nb: 2", "f.yaml:2:1: a second document begins here; put one document in one file"),
        (b"a: !!python/name:os.x 1", "f.yaml:1:4: the tag `!!python/name:os.x` is not allowed; write plain values"),
        (b"a: !mine {b: 1}", "f.yaml:1:4: the tag `!mine` is not allowed; write plain values"),
        (b"a: !!int x", "f.yaml:1:4: `x` is not what its tag `!!int` says"),
        (b"a: *x", "f.yaml:1:4: `*x` refers to an anchor that is not defined above"),
        (b"&a [*a]", "f.yaml:1:5: `*a` stands inside the value it refers to"),
        (b"[" * 5000, "f.yaml:1:101: lists and mappings are nested more than 100 deep"),
        (b"- " * 5000, "f.yaml:1:201: lists and mappings are nested more than 100 deep"),
        (b"? [a]\n: 1", "f.yaml:1:3: a key must be a single word, not a list or a mapping"),
        (
            b"a: 1" + b"0" * 5000,
            "f.yaml:1:4: the number `10000000000000000000…` is too long; put it in quotes if it is text",
        ),
        (BOMB, "f.yaml:6:29: the file holds more than 1000000 values once its aliases are expanded"),
    ],
)
def test_a_file_that_cannot_be_read_says_where_and_why(text: bytes, message: str) -> None:
    assert complaint(text) == message


def test_nesting_through_aliases_counts() -> None:
    chain = b"a0: &a0 [x]\n" + b"".join(f"a{i}: &a{i} [*a{i - 1}]\n".encode() for i in range(1, 200))

    assert complaint(chain) == "f.yaml:100:12: lists and mappings are nested more than 100 deep"


def test_a_file_that_is_too_large() -> None:
    assert complaint(bytes(64 * 2**20 + 1)) == "f.yaml: the file is larger than 64 MiB"


@given(st.binary(max_size=200) | st.text("[]{}:-*&!#|>'\"ab \n\t,?%@0.", max_size=60).map(str.encode))
@example(b'"\\ud800"')
@example(b"!!float 1e999")
@example(b"\xc2\x85")
def test_no_bytes_raise_anything_but_an_input_error(text: bytes) -> None:
    try:
        read = load_positioned(text, name="f")
    except InputError as error:
        assert error.faults
    else:
        assert read.position(()) >= (1, 1)


class Wheel(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")
    size: int = pydantic.Field(strict=True)
    tyre: str = "plain"


class Car(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")
    name: str
    wheels: list[Wheel] = []
    spare: Wheel | str | None = None
    at: tuple[float, float] = (0, 0)


def car_faults(text: bytes) -> list[str]:
    with pytest.raises(InputError) as caught:
        validate(Car, load_positioned(text, name="f.yaml"))
    return [str(fault) for fault in caught.value.faults]


def test_a_good_file_becomes_its_model() -> None:
    car = validate(Car, load_positioned(b"{name: x, wheels: [{size: 3}]}", name="f.yaml"))

    assert car == Car(name="x", wheels=[Wheel(size=3)])


def test_all_faults_come_together_in_the_order_of_the_file() -> None:
    text = b"wheels:\n  - {size: big, tyre: 3}\n  - {sise: 3}\nat: [1]\nat: [2]\nspare: {size: x}\n"

    faults = car_faults(text)

    assert faults == [
        "f.yaml:1:1: the key `name` is missing",
        "f.yaml:2:12: wheels[1].size: expected a whole number, got the text 'big'",
        "f.yaml:2:23: wheels[1].tyre: expected a text, got the number 3",
        "f.yaml:3:5: the key `size` of wheels[2] is missing",
        "f.yaml:3:6: unknown key `sise` of wheels[2]: did you mean `size`?",
        "f.yaml:4:5: at: the list is too short: item 2 is missing",
        "f.yaml:5:1: `at` is given twice; the first is at line 4",
        "f.yaml:6:15: spare.size: expected a whole number, got the text 'x'",
    ]


def test_a_value_of_several_forms_names_them_all() -> None:
    faults = car_faults(b"name: x\nspare: 3\n")

    assert faults == ["f.yaml:2:8: spare: expected a mapping (`key: value`) or a text, got the number 3"]


def test_an_unknown_key_that_resembles_nothing_lists_the_known_ones() -> None:
    faults = car_faults(b"name: x\nzzz: 3\n")

    assert faults == ["f.yaml:2:1: unknown key `zzz`; the known keys are at, name, spare, wheels"]
