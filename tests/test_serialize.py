"""Model files: exact round trips, and no damaged file that loads."""

import copy
import dataclasses
import json
import math
import random
import subprocess
import sys
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors import safe_open

from mlfast import serialize, spec
from mlfast.errors import ModelFileError, SpecError

any_float = st.floats(allow_nan=True, allow_infinity=True)
any_text = st.text(st.characters(codec=None), max_size=12)  # surrogates and NULs too
labels = st.one_of(any_text, st.integers(), any_float.filter(lambda x: x == x), st.booleans())


def floats(shape):
    return hnp.arrays(np.float64, shape, elements=any_float)


@st.composite
def vocabularies(draw):
    numbers = st.one_of(
        st.integers(-(2**63), 2**63 - 1),
        st.floats(allow_nan=False).filter(lambda x: not (x.is_integer() and abs(x) < 2.0**64)),
    )
    keys = draw(st.lists(st.one_of(any_text, numbers), unique=True, max_size=5))
    return spec.Vocabulary(tuple(keys))


@st.composite
def ensembles(draw, n_features):
    """Depth-1 trees: one inner node, two leaves."""
    n_trees = draw(st.integers(0, 3))
    n = 3 * n_trees
    inner = np.arange(n) % 3 == 0
    pick = st.integers(0, n_features - 1)
    feature = np.where(inner, draw(hnp.arrays(np.int32, n, elements=pick)), -1)
    comparison = np.where(inner, draw(hnp.arrays(np.uint8, n, elements=st.integers(0, 2))), 0)
    counts = np.where(comparison == 2, draw(st.integers(0, 3)), 0)
    real = st.floats(allow_nan=False)
    return spec.TreeEnsemble(
        n_features=n_features,
        n_outputs=1,
        tree_offsets=np.arange(n_trees + 1) * 3,
        feature=feature,
        comparison=comparison,
        threshold=draw(hnp.arrays(np.float64, n, elements=real)),
        left=np.where(inner, 1, -1),
        right=np.where(inner, 2, -1),
        default_left=draw(hnp.arrays(np.uint8, n, elements=st.integers(0, 1))),
        categories=np.concatenate([np.arange(c) for c in counts] + [np.empty(0, np.int64)]),
        category_offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        leaf_values=draw(floats((2 * n_trees, 1))),
        leaf_ids=np.arange(2 * n_trees),
        tree_output=np.zeros(n_trees, np.int32),
        base=draw(floats(1)),
        base_first=draw(st.booleans()),
        divisor=draw(st.floats(allow_nan=False)),
        input_dtype=draw(st.sampled_from(("float32", "float64"))),
        sum_dtype=draw(st.sampled_from(("float32", "float64"))),
        zero_as_missing=np.zeros(n_features, np.uint8),
        category_rule=draw(st.sampled_from(("lightgbm", "xgboost", "treelite"))),
    )


@st.composite
def models(draw):
    names = draw(st.lists(any_text, unique=True, min_size=1, max_size=4))
    vocabulary = draw(vocabularies())
    n, codes = len(names), vocabulary.n_codes
    numbers = np.arange(n)
    texts = st.sampled_from(("", "encode/scale", "\ud800\udc00", "Größe\0"))
    steps = [
        spec.MultiplyAdd(numbers, *(draw(floats(n)) for _ in range(4))),
        spec.Constant(numbers, draw(floats(n))),
        spec.Check(numbers, "finite", draw(texts)),
        spec.Quantile(numbers, np.sort(draw(floats((n, 2)))), draw(floats(2)), draw(st.booleans())),
        spec.Digitize(numbers, np.empty(0), np.zeros(n + 1, np.int32)),
        spec.Table(np.array([n]), np.zeros(codes, np.uint8), draw(texts), draw(floats(codes))),
    ]
    head = output = None
    if draw(st.booleans()):
        head = draw(st.one_of(ensembles(n), st.just(spec.Linear(np.eye(1, n), np.zeros(1)))))
        output = spec.Output(
            link="sigmoid",
            rule="half",
            methods=("predict", "predict_proba"),
            binary=True,
            link_params=(draw(any_float), draw(any_float)),
            classes=tuple(draw(st.lists(labels, min_size=2, max_size=2))),
        )
    return spec.Model(
        fields=tuple(map(spec.Field, names)),
        named=draw(st.booleans()),
        inputs=(*(spec.Input(i) for i in range(n)), spec.Input(0, 0)),
        vocabularies=(vocabulary,),
        steps=tuple(steps),
        outputs=numbers,
        output_names=tuple(names),
        head=head,
        output=output,
    )


def example():
    """A small model with one of everything."""
    vocabulary = spec.Vocabulary(("a", "b", 3, 0.5))
    n = vocabulary.n_codes
    codes = np.array([2]), np.zeros(n, np.uint8), "encode"
    return spec.Model(
        fields=(spec.Field("size"), spec.Field("kind")),
        named=True,
        inputs=(spec.Input(0), spec.Input(1), spec.Input(1, 0)),
        vocabularies=(vocabulary,),
        steps=(
            spec.OneHot(*codes, np.arange(n, dtype=np.int32) % 4 - 1, 3),
            spec.ShiftDivide(np.array([0, 1]), np.array([1.0, -0.0]), np.array([math.inf, 2.0])),
        ),
        outputs=np.array([3, 4, 5, 6, 7]),
        output_names=("a", "b", "c", "d", "e"),
        head=spec.TreeEnsemble(
            n_features=5,
            n_outputs=1,
            tree_offsets=np.array([0, 3]),
            feature=np.array([4, -1, -1]),
            comparison=np.zeros(3, np.uint8),
            threshold=np.array([0.5, 0, 0]),
            left=np.array([1, -1, -1]),
            right=np.array([2, -1, -1]),
            default_left=np.ones(3, np.uint8),
            categories=np.empty(0, np.int32),
            category_offsets=np.zeros(4, np.int64),
            leaf_values=np.array([[-1.0], [2.0]]),
            leaf_ids=np.array([1, 2]),
            tree_output=np.zeros(1, np.int32),
            base=np.zeros(1),
            base_first=True,
            divisor=1.0,
            input_dtype="float32",
            sum_dtype="float32",
            zero_as_missing=np.zeros(5, np.uint8),
            category_rule="xgboost",
        ),
        output=spec.Output(
            link="sigmoid_float32",
            rule="half",
            methods=("predict", "predict_proba", "decision_function"),
            binary=True,
            classes=("no", "yes"),
            class_dtype="object",
            dtype="float32",
        ),
    )


def seal(description):
    """A file with a right checksum and any description, as a forger would make it."""
    with mock.patch.object(serialize, "_encode", return_value=description):
        return serialize.dumps(None)


@given(models())
@settings(max_examples=60, deadline=None)
def test_round_trip_is_exact(model):
    data = serialize.dumps(model)
    again = serialize.loads(data)
    assert again == model
    assert serialize.dumps(again) == data


def test_scalars_keep_their_types_and_bits():
    model = example()
    for classes in ((True, False), (1, 0), (1.0, 0.0), (0.0, -0.0), ("1", "0"), (math.inf, 1)):
        output = dataclasses.replace(model.output, classes=classes, link_params=(math.nan, -0.0))
        again = serialize.loads(serialize.dumps(dataclasses.replace(model, output=output)))
        assert [(type(x), repr(x)) for x in again.output.classes] == [
            (type(x), repr(x)) for x in classes
        ]
        assert repr(again.output.link_params) == "(nan, -0.0)"


def test_file_and_metadata(tmp_path):
    path = tmp_path / "model.mlfast"
    serialize.save_model(example(), path, metadata={"made by": "Bücker\0"})
    serialize.save_model(example(), path, metadata={"made by": "Bücker\0", "trees": 1})
    assert serialize.load_model(path) == example()
    assert serialize.load_model(str(path)) == example()
    assert serialize.load_metadata(path) == {"made by": "Bücker\0", "trees": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["model.mlfast"]


def test_public_tools_read_the_arrays(tmp_path):
    path = tmp_path / "model.mlfast"
    model = example()
    serialize.save_model(model, path)
    with safe_open(path, framework="numpy") as file:
        np.testing.assert_array_equal(file.get_tensor("head.threshold"), model.head.threshold)
        description = json.loads(file.metadata()["mlfast"])
    assert description["format"] == serialize.FORMAT
    assert description["model"]["head"]["class"] == "TreeEnsemble"


def test_arrays_are_aligned_views_of_the_file():
    data = serialize.dumps(example())
    array = serialize.loads(data).head.threshold
    assert array.flags.aligned
    assert not array.flags.owndata
    assert not array.flags.writeable


def test_loading_needs_no_other_library(tmp_path):
    path = tmp_path / "model.mlfast"
    serialize.save_model(example(), path)
    code = (
        "import sys; from mlfast import serialize; serialize.load_model(sys.argv[1]);"
        "print(sorted({m.partition('.')[0] for m in sys.modules}"
        " & {'safetensors', 'treelite', 'sklearn', 'scipy', 'pandas', 'xgboost', 'lightgbm'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "model.mlfast"
    serialize.save_model(example(), path)
    with pytest.raises(TypeError):
        serialize.save_model(example(), path, metadata={"not JSON": object()})
    assert serialize.load_model(path) == example()
    assert len(list(tmp_path.iterdir())) == 1


def test_values_that_no_file_holds_are_refused():
    broken = copy.copy(example())
    object.__setattr__(broken, "output_names", ({"a"},) * 5)
    with pytest.raises(SpecError, match=r"output_names\.0: a set cannot be stored"):
        serialize.dumps(broken)


# ---------------------------------------------------------------- damage


def assert_refused(data):
    with pytest.raises(ModelFileError, match=r"^x\.mlfast: "):
        serialize.loads(data, name="x.mlfast")


def flip(data, at, mask):
    return data[:at] + bytes([data[at] ^ mask]) + data[at + 1 :]


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_any_flipped_byte_is_noticed(seed):
    data = serialize.dumps(example(), metadata={"note": "x"})
    rng = random.Random(seed)
    repeats = 1 if seed == 1 else 20
    for at in range(len(data)):
        for _ in range(repeats):
            assert_refused(flip(data, at, rng.randrange(1, 256)))


def test_any_truncation_or_addition_is_noticed():
    data = serialize.dumps(example())
    for size in range(len(data)):
        assert_refused(data[:size])
    for extra in (b"\0", b" ", b"x" * 100, data):
        assert_refused(data + extra)


@pytest.mark.parametrize(
    "data",
    [b"", b"\0" * 8, b"{}", b"\xff" * 64, b"PK\x03\x04" + b"\0" * 60, b"\2" + b"\0" * 7 + b"{}"],
)
def test_other_files_are_not_models(data):
    assert_refused(data)


@given(st.binary(max_size=300))
def test_random_bytes_are_not_models(data):
    assert_refused(data)


def test_a_newer_format_is_named(monkeypatch):
    monkeypatch.setattr(serialize, "FORMAT", 7)
    data = serialize.dumps(example())
    monkeypatch.undo()
    with pytest.raises(ModelFileError, match=r"format 7 by a newer mlfast.*upgrade"):
        serialize.loads(data)


def test_a_missing_file_is_the_systems_own_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        serialize.load_model(tmp_path / "none.mlfast")


# ---------------------------------------------------------------- forgery: the checksum is right


def forge(**changes):
    """A file whose head has other arrays than a valid one may have."""
    model = copy.copy(example())
    head = copy.copy(model.head)
    for name, value in changes.items():
        object.__setattr__(head, name, value)
    object.__setattr__(model, "head", head)
    return serialize.dumps(model)


@pytest.mark.parametrize(
    "changes",
    [
        {"left": np.array([0, -1, -1], np.int32)},  # a cycle
        {"left": np.array([2**31 - 1, -1, -1], np.int32)},
        {"left": np.array([-7, -1, -1], np.int32)},
        {"right": np.array([1, -1, -1], np.int32)},  # two parents
        {"feature": np.array([5, -1, -1], np.int32)},
        {"tree_offsets": np.array([0, 4])},
        {"tree_offsets": np.array([0, 2**62])},
        {"category_offsets": np.array([0, 9, 9, 9])},
        {"leaf_values": np.zeros((3, 1))},
        {"threshold": np.array([math.nan, 0, 0])},
        {"threshold": "0.5"},
        {"n_features": 4},
        {"n_features": True},
        {"n_features": 2**70},
        {"divisor": 1},
        {"base_first": 1},
        {"category_rule": "none"},
        {"input_dtype": None},
        {"zero_as_missing": np.zeros((5, 0), np.uint8)},
    ],
)
def test_forged_trees_are_refused(changes):
    assert_refused(forge(**changes))


@pytest.mark.parametrize(
    "description",
    [
        None,
        3,
        [],
        {},
        {"class": "Model"},
        {"class": "Vocabulary", "keys": []},
        {"class": "Popen", "args": []},
        {"class": ["Model"]},
        {"tensor": "none"},
        {"float": "one"},
        {"text": "zz"},
    ],
)
def test_forged_descriptions_are_refused(description):
    assert_refused(seal(description))


def test_a_deep_description_is_refused():
    data = serialize.dumps(example())
    size = int.from_bytes(data[:8], "little")
    deep = b'{"__metadata__":{"mlfast":"' + b"[" * 100_000 + b'"}}'
    assert_refused(len(deep).to_bytes(8, "little") + deep + data[8 + size :])
