"""Networks in files: exact continuation, atomic writing, and what is refused."""

import json
import os
import pickle
import struct
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastgd as gd
from fastgd.engines.protocol.outcomes import Status

RNG = np.random.default_rng(0)
X = RNG.normal(size=(70, 4))
LABELS = RNG.integers(0, 3, 70)
OPTIMIZERS = {
    "adam": lambda: gd.Adam(lr=0.01, betas=(0.8, 0.99)),
    "schedule": lambda: gd.SGD(lr=gd.schedules.cosine(peak=0.1, total=100), momentum=0.9),
    "rprop": lambda: gd.Rprop(lr=0.01),
    "radam": lambda: gd.RAdam(lr=0.01),
    "groups": lambda: gd.Adadelta(groups={0: {"lr": 0.5}, 1: {"rho": 0.5}}),
    "stateless": lambda: gd.SGD(lr=0.1),
}


def network(**options):
    return gd.MLP([4, 7, 5, 3], rng=3, **options)


def bits(net):
    return [p.tobytes() for p in net.params]


def members(path):
    with np.load(path) as archive:
        return {name: archive[name] for name in archive.files}


def about_of(arrays):
    return json.loads(str(arrays["about"]))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.npz"


@pytest.fixture
def saved(path):
    """A trained network's file."""
    network().fit(X, LABELS, optimizer=gd.Adam(), epochs=2, batch_size=16).save(path)
    return path


# --- what comes back ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "made",
    [
        lambda: gd.MLP([4, 3], dtype="float64", rng=2**70),
        lambda: gd.MLP(
            [4, 6, 6, 1], activation="leaky_relu", leak=0.3, loss="huber", huber_delta=2
        ),
        lambda: gd.MLP([2, 5, 2], activation="tanh", loss="mse", sum_outputs=True, init="glorot"),
        lambda: gd.MLP([2, 5, 4], loss="binary_cross_entropy", l1=1e-3, l2=0.1, dropout=0.25),
        lambda: gd.MLP([2, 5, 1], activation="gelu", loss="poisson", init="he"),
        lambda: gd.MLP([2, 1], loss="half_squares"),
    ],
)
def test_a_new_network_comes_back(made, path):
    net = made()
    net.params[0][...] += 1
    net.save(path)
    back = gd.MLP.load(path)
    assert back.architecture == net.architecture
    assert bits(back) == bits(net)
    assert (back.seed, back.epochs_, back.steps_) == (net.seed, 0, 0)
    assert bits(back.reset()) == bits(net.reset())  # the same beginning too


def test_penalties_by_row_come_back(path):
    a = replace(network(l2=0.1).architecture, penalty_per_row=True)
    gd.MLP.from_architecture(a).save(path)
    assert gd.MLP.load(path).architecture == a


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_training_goes_on_to_the_same_bits(name, dtype, path):
    options = {"batch_size": 16, "drop_last": True}
    whole = network(dtype=dtype, dropout=0.2)
    whole.fit(X, LABELS, optimizer=OPTIMIZERS[name](), epochs=5, **options)
    first = network(dtype=dtype, dropout=0.2)
    first.fit(X, LABELS, optimizer=OPTIMIZERS[name](), epochs=2, **options).save(path)
    rest = gd.MLP.load(path).fit(X, LABELS, optimizer=OPTIMIZERS[name](), epochs=3, **options)
    assert bits(rest) == bits(whole)
    assert (rest.epochs_, rest.steps_) == (5, 20)
    for key, array in whole.optimizer_.state_dict().items():
        assert np.array_equal(array, rest.optimizer_.state_dict()[key])


def test_it_goes_on_in_the_middle_of_an_epoch_and_from_file_to_file(path):
    whole = network().fit(X, LABELS, optimizer=gd.Adam(), steps=13, batch_size=16)
    net = network().fit(X, LABELS, optimizer=gd.Adam(), steps=7, batch_size=16)
    for _ in range(2):  # the second time with a state that nothing has taken up
        net.save(path)
        net = gd.MLP.load(path)
    assert (net.epochs_, net.steps_, net.steps_in_epoch_) == (1, 7, 2)
    assert bits(net.fit(X, LABELS, optimizer=gd.Adam(), steps=6, batch_size=16)) == bits(whole)


def test_a_users_own_optimizer_goes_on(path):
    def rule(p, g, m, lr, mu):
        m = mu * m + g
        return p - lr * m, m

    own = gd.Optimizer.from_rule(
        rule, state=("m",), coefficients=lambda t, lr, mu: (lr, mu), defaults={"lr": 0.1, "mu": 0.9}
    )
    whole = network().fit(X, LABELS, optimizer=own(), epochs=3)
    network().fit(X, LABELS, optimizer=own(), epochs=1).save(path)
    assert bits(gd.MLP.load(path).fit(X, LABELS, optimizer=own(), epochs=2)) == bits(whole)


def test_another_optimizer_begins_anew(saved):
    net = gd.MLP.load(saved).fit(X, LABELS, optimizer=gd.SGD(lr=0.1), epochs=1)
    assert net.optimizer_.t == 3  # of one epoch
    other_formula = gd.MLP.load(saved).fit(X, LABELS, optimizer=gd.Adam(amsgrad=True), epochs=1)
    assert other_formula.optimizer_.t == 3
    used = gd.Adam()
    network().fit(X, LABELS, optimizer=used, steps=1)
    assert gd.MLP.load(saved).fit(X, LABELS, optimizer=used, steps=1).optimizer_.t == 2


def test_other_hyperparameters_are_an_error(saved):
    net = gd.MLP.load(saved)
    before = bits(net)
    with pytest.raises(
        ValueError, match=r"optimizer: state was saved with lr=0\.001, but this Adam has lr=0\.5"
    ):
        net.fit(X, LABELS, optimizer=gd.Adam(lr=0.5), epochs=1)
    assert bits(net) == before
    lower = gd.Adam(lr=0.0005)
    lower.load_state_dict(net.loaded_state_, hyperparameters="ignore")
    net.fit(X, LABELS, optimizer=lower, steps=1)
    assert (net.optimizer_.t, net.optimizer_.lr) == (11, 0.0005)
    restored = gd.Adam(lr=0.5)
    net = gd.MLP.load(saved)
    restored.load_state_dict(net.loaded_state_, hyperparameters="restore")
    assert repr(net.fit(X, LABELS, optimizer=restored, steps=1).optimizer_) == "Adam(lr=0.001)"


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"groups": 3}'])
def test_hyperparameters_that_are_none_are_refused(text, saved, path):
    arrays = members(saved)
    assert "optimizer.hyperparameters" in arrays
    np.savez(path, **{**arrays, "optimizer.hyperparameters": np.array(text)})
    refused(path, "state['hyperparameters'] is not what state_dict() writes")


def test_without_the_optimizer_it_is_asked_for(saved):
    net = gd.MLP.load(saved)
    before = bits(net)
    with pytest.raises(ValueError, match=r"optimizer must be given.*Adam"):
        net.fit(X, LABELS)
    assert bits(net) == before
    net.reset().fit(X, LABELS, epochs=1)  # nothing is left of it
    assert net.status_ is Status.MAX_ITER


def test_the_same_predictions(saved):
    net = network().fit(X, LABELS, optimizer=gd.Adam(), epochs=2, batch_size=16)
    assert np.array_equal(gd.MLP.load(saved).predict_proba(X), net.predict_proba(X))


def test_the_archive_needs_no_pickle(saved):
    arrays = members(saved)
    assert {"about", "W0", "b0", "W2", "b2", "optimizer.t", "optimizer.state.m[0]"} <= set(arrays)
    assert about_of(arrays)["version"] == 1


def test_other_byte_orders_are_read(saved, path):
    net = gd.MLP.load(saved)
    arrays = {
        name: array.astype(array.dtype.newbyteorder(">")) if array.dtype.kind in "fi" else array
        for name, array in members(saved).items()
    }
    np.savez(path, **arrays)
    assert bits(gd.MLP.load(path)) == bits(net)


# --- writing ------------------------------------------------------------------------------------------


def test_paths_are_taken_as_they_are(tmp_path):
    net = network()
    net.save(str(tmp_path / "text"))
    net.save(tmp_path / "like")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["like", "text"]
    assert bits(gd.MLP.load(str(tmp_path / "like"))) == bits(gd.MLP.load(tmp_path / "text"))
    with pytest.raises(TypeError):
        net.save(3)
    with pytest.raises(FileNotFoundError):
        net.save(tmp_path / "nowhere" / "net.npz")
    with pytest.raises(FileNotFoundError):
        gd.MLP.load(tmp_path / "missing.npz")


@pytest.mark.parametrize("argument", ["activation", "loss"])
def test_a_users_function_is_refused(argument, path):
    functions = {
        "activation": lambda z: (np.maximum(z, 0 * z), np.where(z > 0 * z, 0 * z + 1, 0 * z)),
        "loss": lambda z, y: ((z - y) * (z - y), (z - y) + (z - y)),
    }
    net = gd.MLP([4, 2, 1], **{"loss": "mse", argument: functions[argument]})
    with pytest.raises(ValueError, match=f"{argument} is a function"):
        net.save(path)
    assert not path.exists()


def test_what_breaks_off_leaves_the_old_file(saved, monkeypatch):
    before = saved.read_bytes()

    def fail(file, arrays):
        file.write(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr("fastgd.network.file.write_arrays", fail)
    with pytest.raises(OSError, match="No space"):
        network().save(saved)
    assert saved.read_bytes() == before
    assert os.listdir(saved.parent) == [saved.name]


@pytest.mark.skipif(os.name == "nt", reason="POSIX links and modes")
def test_links_and_modes_stay(saved):
    saved.chmod(0o640)
    link = saved.with_name("link")
    link.symlink_to(saved.name)
    network().save(link)
    assert link.is_symlink()
    assert saved.stat().st_mode & 0o777 == 0o640
    assert bits(gd.MLP.load(saved)) == bits(network())


# --- what is refused ----------------------------------------------------------------------------------


def refused(path, says=""):
    with pytest.raises(ValueError, match=r"path: .* is not a saved network") as caught:
        gd.MLP.load(path)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", b"PK\x05\x06" + bytes(18), pickle.dumps([1]), b"\x93NUMPY\x01\x00v\x00{"],
)
def test_foreign_bytes_are_refused(content, path):
    path.write_bytes(content)
    refused(path)


def test_foreign_archives_are_refused(path):
    with path.open("wb") as file:
        np.save(file, np.ones(3))
    refused(path)
    np.savez(path, a=np.ones(3))
    refused(path, "'about' is missing")
    sweep = gd.sweep(gd.LeastSquares([0.0, 1.0], [1.0, 2.0]), gd.SGD(), {"lr": [0.1]}, max_iter=1)
    sweep.save(path)
    refused(path)
    np.savez(path, about=np.array('{"format": "fastgd sweep 1"}'))
    refused(path, "something else wrote it")
    np.savez(path, about=np.array('{"format": "fastgd network", "version": 2}'))
    refused(path, "version 2, wanted 1")


class Bomb:
    def __reduce__(self):
        return os.system, ("echo pickle has run > pwned",)


@pytest.mark.parametrize("name", ["about", "W0", "optimizer.state.m[0]", "optimizer.rules"])
def test_no_pickle_is_read(name, saved, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    objects = np.empty((), object)
    objects[()] = Bomb()
    np.savez(saved, **{**members(saved), name: objects})
    refused(saved)
    assert not Path("pwned").exists()


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("W0", np.zeros((4, 8), np.float32), "wanted (4, 7)"),
        ("W0", np.zeros((4, 7), np.float64), "of float64, wanted"),
        ("W1", None, "'W1' is missing"),
        ("W3", np.zeros(3), "'W3', which is not part"),
        ("about", np.array(["{}"]), "0-d text"),
        ("about", np.array("[" * 100_000), ""),
        ("about", np.array("x" * 300_000), "too long"),
        ("about", np.zeros(3), "text"),
        ("optimizer.t", np.array(-1), "t'] must"),
        ("optimizer.t", np.array(1.5), "wanted () of int64"),
        ("optimizer.t", None, "'optimizer.t' is missing"),
        ("optimizer.rules", None, ""),
        ("optimizer.carry", np.zeros(3), "wanted (1,)"),
        ("optimizer.carry", None, "both"),
        ("optimizer.params", np.array(["params[0]"]), "other parameters"),
        ("optimizer.state.m[9]", np.zeros(3), "not belong to a parameter"),
        ("optimizer.state.m[0]", np.zeros(3), "wanted (4, 7)"),
        ("optimizer.secret", np.zeros(3), "not part of a network"),
    ],
)
def test_members_that_do_not_fit_are_refused(name, value, says, saved):
    arrays = members(saved)
    arrays.pop(name, None)
    if value is not None:
        arrays[name] = value
    np.savez(saved, **arrays)
    refused(saved, says)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("sizes", [4, 7, 5], "'W2', which is not part"),
        ("sizes", [4, 7, 5, 2**40], "sizes[3] must be an integer >= 1 and <= 2147483647"),
        ("sizes", [2**31 - 1] * 4, "wanted (2147483647, 2147483647)"),
        ("sizes", "4753", "sizes"),
        ("sizes", None, "sizes"),
        ("activation", "os.system", "activation must be one of"),
        ("activation", ["relu"], "activation"),
        ("activation", "leaky_relu", "constants must hold 1"),
        ("constants", [0.5], "constants must hold 0"),
        ("constants", 0.5, "constants must hold 0"),
        ("loss", "nothing", "loss must be one of"),
        ("loss_constants", [1.0], "loss_constants must hold 0"),
        ("sum_outputs", 1, "sum_outputs must be True or False"),
        ("penalty_per_row", "yes", "penalty_per_row must be True or False"),
        ("l1", -1, "l1 must"),
        ("l2", float("nan"), "l2 must"),
        ("dropout", 1.0, "dropout must"),
        ("dtype", "float16", "'float32' or 'float64'"),
        ("dtype", "O", "'float32' or 'float64'"),
        ("dtype", "float64", "wanted (4, 7) of float64"),
        ("init", "zeros", "init must"),
        ("seed", -1, "rng must"),
        ("seed", 0.5, "rng must"),
        ("epochs", -1, "epochs must be an integer >= 0"),
        ("steps", 1.5, "steps must be an integer >= 0"),
        ("within_epoch", True, "within_epoch must be an integer >= 0"),
        ("within_epoch", 2**64, "within_epoch must be an integer >= 0"),
        ("bias", 1, "bias must be True or False"),
        ("bias", False, "b0"),
        ("init_scale", None, "init_scale must be a finite number"),
        ("version", None, "version None"),
    ],
)
def test_descriptions_that_do_not_fit_are_refused(field, value, says, saved):
    arrays = members(saved)
    arrays["about"] = np.array(json.dumps(about_of(arrays) | {field: value}))
    np.savez(saved, **arrays)
    refused(saved, says)


def test_every_field_is_needed(saved):
    arrays = members(saved)
    about = about_of(arrays)
    for field in about.keys() - {"bias", "init_scale", "init_mean"}:
        less = {name: value for name, value in about.items() if name != field}
        np.savez(saved, **(arrays | {"about": np.array(json.dumps(less))}))
        refused(saved)


def test_fields_that_older_files_lack(saved):
    arrays = members(saved)
    about = about_of(arrays)
    del about["bias"], about["init_scale"], about["init_mean"]
    np.savez(saved, **(arrays | {"about": np.array(json.dumps(about))}))
    loaded = gd.MLP.load(saved)
    assert loaded.architecture.bias
    assert (loaded.init_scale, loaded.init_mean) == (1.0, 0.0)


def test_compressed_archives_are_refused_before_they_grow(saved):
    np.savez_compressed(saved, **members(saved))
    refused(saved, "compressed")


def with_header(path, name, header, body=b""):
    """Replace a member by one whose header says what it likes."""
    with zipfile.ZipFile(path) as archive:
        kept = {info.filename: archive.read(info) for info in archive.infolist()}
    text = header.encode() + b"\n"
    kept[f"{name}.npy"] = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + body
    with zipfile.ZipFile(path, "w") as archive:
        for filename, content in kept.items():
            archive.writestr(filename, content)


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776, 7)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-4, -7)}",
        "{'descr': '<U0', 'fortran_order': False, 'shape': (1152921504606846976,)}",
        "{'descr': '|O', 'fortran_order': False, 'shape': ()}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': 'x'}",
        "__import__('os').system('false')",
        "[" * 9000,
    ],
)
@pytest.mark.parametrize("name", ["W0", "optimizer.rules", "about"])
def test_headers_that_lie_are_refused(name, header, saved):
    with_header(saved, name, header)
    refused(saved)


def test_a_name_twice_is_refused(saved):
    with zipfile.ZipFile(saved, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("W0.npy", b"")
    refused(saved, "twice")


def test_an_optimizers_state_without_a_part_is_found_when_it_is_used(saved):
    arrays = members(saved)
    del arrays["optimizer.state.v[2]"]
    np.savez(saved, **arrays)
    net, optimizer = gd.MLP.load(saved), gd.Adam()
    before = bits(net)
    with pytest.raises(ValueError, match=r"state.v\[2\]'\] is missing"):
        net.fit(X, LABELS, optimizer=optimizer)
    assert bits(net) == before
    assert optimizer.t == 0
    gd.MLP.load(saved).fit(X, LABELS, optimizer=gd.SGD(), epochs=1)  # has no use for it


def test_files_cut_short_are_refused(saved):
    content = saved.read_bytes()
    for length in range(0, len(content), 97):
        saved.write_bytes(content[:length])
        refused(saved)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_damage_does_more_than_an_error(data, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "damaged.npz"
    if not path.exists():
        net = gd.MLP([2, 3, 2]).fit(np.eye(2), [0, 1], optimizer=gd.Momentum(), epochs=1)
        net.save(path)
        path.with_suffix(".whole").write_bytes(path.read_bytes())
    content = bytearray(path.with_suffix(".whole").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        net = gd.MLP.load(path)
    except ValueError as error:
        assert "not a saved network" in str(error)  # noqa: PT017
    else:  # what was hit does not matter, such as a date
        assert bits(net) == bits(gd.MLP.load(path.with_suffix(".whole")))
