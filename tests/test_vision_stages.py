"""The vision recipes' stages. What all stages share (locks, interrupts, option errors) is in test_stages.py."""

import shutil

import pytest
from stage_script import ROOT, Recipe, copy_without_recipes, one_line_error

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")

METHODS = ["tandem", "surrogate", "rate", "primitive"]
SOURCE = ("--source", "corpus")
NETWORKS = {
    "mnist": ["cnn", "autoencoder"],
    "cifar10": ["alexnet", "vgg11", "vgg13", "vgg16"],
    "imagenet": ["alexnet", "vgg16"],
}


@pytest.fixture(params=NETWORKS)
def corpus(request):
    return request.param


@pytest.fixture
def recipe(corpus, tmp_path):
    """Each vision recipe with a corpus in the caller's folder."""
    (tmp_path / "corpus").mkdir()
    return Recipe(f"recipes/{corpus}", tmp_path)


@pytest.fixture
def mnist(tmp_path):
    (tmp_path / "corpus").mkdir()
    return Recipe("recipes/mnist", tmp_path)


def choosing(name, folder):
    """A copy of the recipe that chooses its YAML itself, among empty ones."""
    root = copy_without_recipes(folder / "project")
    copy = root / "recipes" / name
    (copy / "conf").mkdir(parents=True)
    for script in ("run.sh", "recipe.py"):
        shutil.copy(ROOT / "recipes" / name / script, copy)
    for network in NETWORKS[name]:
        for kind in ("", "-fast"):
            (copy / "conf" / f"{network}{kind}.yaml").write_text("")
    (folder / "corpus").mkdir()
    return Recipe(f"recipes/{name}", folder, root, config=None)


def trained(recipe):
    """The methods trained in the last run, in order."""
    words = [call.split() for call in recipe.calls]
    return [call[call.index("--method") + 1] for call in words if call[0] == "vision-train"]


def test_all_stages_in_order_with_paths_of_the_caller(recipe, corpus):
    options = ("--set", "ann.lr=5e-4", "--set", "a=1", "--seed", "3", "--threads", "2")
    result = recipe.run("--stage", "0", *SOURCE, *options)
    assert result.returncode == 0, result.stderr
    training = "--config conf.yaml --data data --exp exp/conf --set ann.lr=5e-4 --set a=1 --seed 3 --threads 2"
    assert recipe.calls == [
        f"vision-data --corpus {corpus} --source corpus --out data",
        *(f"vision-train --method {method} {training}" for method in ["ann", "ptl", *METHODS]),
        "vision-test --data data --exp exp/conf --threads 2",
        "vision-report --data data --exp exp/conf",
    ]
    for stage in range(6):
        assert "$ spiking-tasnet vision-" in (recipe.exp / "log" / f"stage{stage}.log").read_text()
    assert result.stdout.splitlines()[-1].endswith(f"with {recipe.exp}/curves.png and results.csv")


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_torchvision_may_fetch_the_corpus(name, tmp_path):
    recipe = Recipe(f"recipes/{name}", tmp_path)
    assert "; or --download" in one_line_error(recipe.run("--stage", "0"))
    assert recipe.run("--stop-stage", "0", "--download").returncode == 0
    assert recipe.calls == [f"vision-data --corpus {name} --out data --download"]
    (tmp_path / "corpus").mkdir()
    assert "--source and --download found, one of them" in one_line_error(recipe.run(*SOURCE, "--download"))


def test_nobody_fetches_imagenet(tmp_path):
    recipe = Recipe("recipes/imagenet", tmp_path)
    assert "unknown option --download" in one_line_error(recipe.run("--download"))
    assert one_line_error(recipe.run()) == (
        "recipes/imagenet: error: stage 0 needs --source DIR (holds train/ and val/, each with one folder a class)"
    )


def test_no_corpus(recipe):
    message = one_line_error(recipe.run("--stage", "0"))
    assert message.startswith(f"recipes/{recipe.run_sh.parent.name}: error: stage 0 needs --source DIR (")
    assert not recipe.exp.exists()
    assert "--source 'nowhere': no such folder" in one_line_error(recipe.run("--source", "nowhere"))


@pytest.mark.parametrize("name", NETWORKS)
def test_the_network_decides_configuration_and_name(name, tmp_path):
    recipe = choosing(name, tmp_path)
    for network in [None, *NETWORKS[name]]:
        for kind in ("", "-fast"):
            chosen = f"{network or NETWORKS[name][0]}{kind}"
            options = [*(["--network", network] if network else []), *(["--fast"] if kind else [])]
            result = recipe.run(*SOURCE, "--stop-stage", "1", "--force", *options)
            assert result.returncode == 0, result.stderr
            config = f"project/recipes/{name}/conf/{chosen}.yaml"
            assert recipe.calls[1] == f"vision-train --method ann --config {config} --data data --exp exp/{chosen}"
    message = one_line_error(recipe.run("--network", "lenet"))
    assert f"--network 'lenet' found, one of {', '.join(NETWORKS[name])} expected" in message


def test_a_name_of_ones_own(tmp_path):
    recipe = choosing("cifar10", tmp_path)
    recipe.run(*SOURCE, "--stop-stage", "1", "--fast", "--name", "second")
    assert recipe.calls[1].endswith("conf/alexnet-fast.yaml --data data --exp exp/second")


@pytest.mark.parametrize("choice", [["--network", "cnn"], ["--fast"]])
def test_one_configuration_at_a_time(mnist, choice):
    assert "--config names the experiment's YAML; leave out --network and --fast" in one_line_error(mnist.run(*choice))


def test_methods_are_chosen(mnist):
    assert mnist.run(*SOURCE, "--stop-stage", "3", "--methods", "lif,rate").returncode == 0
    assert trained(mnist) == ["ann", "ptl", "lif", "rate"]


@pytest.mark.parametrize("methods, found", [("tandem,magic", "magic"), ("tandem,,rate", ""), ("lif rate", "lif rate")])
def test_unknown_methods(mnist, methods, found):
    message = one_line_error(mnist.run(*SOURCE, "--methods", methods))
    assert f"--methods '{found}' found, one of tandem, surrogate, lif, rate, primitive expected" in message
    assert mnist.calls == []


def test_the_autoencoder_is_compared_with_primitive_conversion_only(tmp_path):
    recipe = choosing("mnist", tmp_path)
    for options in (["--network", "autoencoder"], ["--network", "autoencoder", "--fast"]):
        recipe.run(*SOURCE, "--stop-stage", "3", *options)
        assert trained(recipe) == ["ann", "ptl", "primitive"]
    (tmp_path / "autoencoder-wide.yaml").write_text("")
    recipe.run("--stop-stage", "3", "--config", "autoencoder-wide.yaml")
    assert trained(recipe) == ["ann", "ptl", "primitive"]
    recipe.run("--stop-stage", "3", "--network", "autoencoder", "--methods", "tandem", "--name", "other")
    assert trained(recipe) == ["ann", "ptl", "tandem"]


def test_finished_stages_are_skipped_with_a_note(recipe):
    recipe.run(*SOURCE, "--stop-stage", "2")
    result = recipe.run(*SOURCE)
    assert trained(recipe) == METHODS
    assert "stage 0 (corpus): done on" in result.stdout
    assert "stage 2 (convert it to spikes by progressive tandem learning): done on" in result.stdout
    assert recipe.run().returncode == 0 and recipe.calls == []  # the corpus that is there is meant


def test_a_failed_method_stops_the_stage_which_is_done_again(mnist):
    result = mnist.run(*SOURCE, FAKE_FAIL="--method surrogate")
    assert result.returncode == 7
    assert f"error: stage 3 failed with exit code 7; see {mnist.exp / 'log/stage3.log'}" in result.stderr
    assert trained(mnist) == ["ann", "ptl", "tandem", "surrogate"]
    assert mnist.run().returncode == 0
    assert trained(mnist) == METHODS  # those that are finished go on from their own checkpoints


def test_stages_out_of_order(mnist):
    assert "stage 4 needs stage 0 (corpus), which has not finished" in one_line_error(mnist.run("--stage", "4"))
    mnist.run(*SOURCE, "--stop-stage", "2")
    assert "stage 4 needs stage 3 (train or convert by the baselines)" in one_line_error(mnist.run("--stage", "4"))


MADE = {
    1: ["ann"],
    2: ["ptl"],
    3: ["tandem", "surrogate", "lif", "rate", "primitive"],
    4: ["results.json"],
    5: ["RESULTS.md", "curves.png", "results.csv"],
}


@pytest.mark.parametrize("first", MADE)
def test_force_removes_what_this_and_later_stages_made(mnist, first):
    mnist.run(*SOURCE)
    for names in MADE.values():
        for name in names:
            (mnist.exp / name).mkdir()
    assert mnist.run("--stage", str(first), "--stop-stage", str(first), "--force").returncode == 0
    assert len(mnist.calls) == (4 if first == 3 else 1)
    for stage, names in MADE.items():
        assert [(mnist.exp / name).exists() for name in names] == [stage < first] * len(names)
    if first < 4:
        assert f"stage 5 needs stage {first + 1}" in one_line_error(mnist.run("--stage", "5"))


def test_force_makes_the_corpus_again(mnist):
    mnist.run(*SOURCE, "--stop-stage", "0")
    data = mnist.folder / "data"
    made = ["dataset.json", "train_images.npy", "test_labels.npy"]
    for name in (*made, "mine.npy", "download"):
        (data / name).write_text("")
    assert mnist.run("--stop-stage", "1", *SOURCE).returncode == 0 and (data / made[0]).exists()
    assert mnist.run("--stop-stage", "0", *SOURCE, "--force").returncode == 0
    assert not any((data / name).exists() for name in made)
    assert (data / "mine.npy").exists() and (data / "download").exists()


def test_another_corpus_than_the_finished_one(recipe):
    (recipe.folder / "other").mkdir()
    recipe.run(*SOURCE, "--stop-stage", "1")
    message = one_line_error(recipe.run("--source", "other"))
    assert "stage 0 ran with other parameters (source 'corpus' there, 'other' here" in message
    assert "another --data-dir, or --force" in message
    recipe.run("--source", "other", "--stop-stage", "0", "--force")
    assert "stage 1 ran with other parameters (corpus '" in one_line_error(recipe.run())


@pytest.mark.parametrize(
    "stage, options, differs",
    [
        (1, ["--seed", "1"], "seed '' there, '1' here"),
        (2, ["--set", "ann.lr=5e-4"], "set '' there, 'ann.lr=5e-4' here"),
        (3, ["--seed", "1"], "seed '' there, '1' here"),
        (3, ["--methods", "rate"], "methods 'tandem,surrogate,rate,primitive' there, 'rate' here"),
    ],
)
def test_other_parameters_than_those_trained_with(mnist, stage, options, differs):
    mnist.run(*SOURCE, "--stop-stage", "3")
    message = one_line_error(mnist.run("--stage", str(stage), *options))
    assert f"stage {stage} ran with other parameters ({differs}" in message and "another --name, or --force" in message
    assert mnist.run("--methods", "rate", "--stage", "4").returncode == 0  # read by stage 3 only


def test_another_configuration_than_the_one_trained_with(recipe):
    recipe.run(*SOURCE, "--stop-stage", "3")
    (recipe.folder / "conf.yaml").write_text("seed: 1\n")
    for stage in "123":
        assert f"stage {stage} ran with other parameters (config '" in one_line_error(recipe.run("--stage", stage))


def test_help_needs_no_environment(recipe, corpus):
    result = recipe.run("--help", SPIKING_TASNET_PYTHON="/nowhere/python")
    assert result.returncode == 0
    for word in ("--source DIR", "--methods LIST", "--stage N", "--threads N", "0  corpus:", "5  report:"):
        assert word in result.stdout
    for network in NETWORKS[corpus]:
        assert network in result.stdout
    assert "--fast" in result.stdout
    assert ("--download" in result.stdout) == (corpus != "imagenet")
    for word in ("--jobs", "--sample-rate", "mixtures"):
        assert word not in result.stdout


def test_paths_with_spaces(tmp_path):
    folder = tmp_path / "a b"
    (folder / "corpus").mkdir(parents=True)
    result = Recipe("recipes/mnist", folder).run(*SOURCE, "--force")
    assert result.returncode == 0, result.stderr
