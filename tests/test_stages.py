"""The stages of all recipes, driven through run.sh: order, markers, messages, locks, interrupts."""

import fcntl
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys

import pytest
from stage_script import ROOT, Recipe, has_ended, one_line_error, wait_until

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")

EVERY_COMMAND = ["mix", "train", "convert", *["separate-set"] * 4, *["score"] * 6, "report"]


@pytest.fixture
def recipe(tmp_path):
    """The WSJ0 recipe with a corpus in the caller's folder."""
    (tmp_path / "corpus").mkdir()
    (tmp_path / "lists").mkdir()
    return Recipe("recipes/wsj0-2mix", tmp_path)


CORPUS = ("--wsj0", "corpus", "--mix-lists", "lists")


def test_all_stages_in_order_with_paths_of_the_caller(recipe):
    result = recipe.run("--stage", "0", *CORPUS, "--limit", "4", "--seed", "3", "--set", "ann.lr=5e-4", "--set", "a=1")
    assert result.returncode == 0, result.stderr
    assert recipe.commands == EVERY_COMMAND
    training = "--config conf.yaml --data data --exp exp/conf --set ann.lr=5e-4 --set a=1 --seed 3"
    assert recipe.calls == [
        "mix --wsj0 corpus --mix-lists lists --data data --limit 4",
        f"train {training}",
        f"convert {training}",
        "separate-set --subset data/cv --model exp/conf/ann --out exp/conf/separated/ann/cv",
        "separate-set --subset data/tt --model exp/conf/ann --out exp/conf/separated/ann/tt",
        "separate-set --subset data/cv --model exp/conf/snn --out exp/conf/separated/snn/cv",
        "separate-set --subset data/tt --model exp/conf/snn --out exp/conf/separated/snn/tt"
        " --cost exp/conf/snn/cost.json",
        "score --subset data/cv --est mixture --out exp/conf/scores/mixture_cv.csv",
        "score --subset data/tt --est mixture --out exp/conf/scores/mixture_tt.csv",
        "score --subset data/cv --est exp/conf/separated/ann/cv --out exp/conf/scores/ann_cv.csv",
        "score --subset data/tt --est exp/conf/separated/ann/tt --out exp/conf/scores/ann_tt.csv",
        "score --subset data/cv --est exp/conf/separated/snn/cv --out exp/conf/scores/snn_cv.csv",
        "score --subset data/tt --est exp/conf/separated/snn/tt --out exp/conf/scores/snn_tt.csv",
        "report --exp exp/conf --data data --paper",
    ]
    for stage in range(6):
        assert f"$ spiking-tasnet {EVERY_COMMAND[0] if stage == 0 else ''}" in (
            (recipe.exp / "log" / f"stage{stage}.log").read_text()
        )


def test_published_levels_are_a_folder_of_the_caller_s_or_none(recipe):
    (recipe.folder / "levels").mkdir()
    for value, made in (("levels", "levels"), ("none", "none")):
        result = recipe.run("--stage", "0", "--stop-stage", "0", *CORPUS, "--activlev", value, "--force")
        assert result.returncode == 0, result.stderr
        assert recipe.calls == [f"mix --wsj0 corpus --mix-lists lists --activlev {made} --data data"]
    for value, message in (("nowhere", "--activlev 'nowhere': no such folder"), ("", "--activlev '': no such folder")):
        assert message in one_line_error(recipe.run("--stage", "0", *CORPUS, "--activlev", value))
    assert "--activlev DIR-or-none " in recipe.run("--help").stdout
    assert "--activlev needs a value: --activlev DIR-or-none" in one_line_error(recipe.run("--activlev"))


def test_mini_synthesises_its_own_corpus(tmp_path):
    mini = Recipe("egs/mini-2mix", tmp_path)
    result = mini.run("--stop-stage", "0", "--corpus-dir", "talkers", "--mixtures", "8,2,2", "--jobs", "1")
    assert result.returncode == 0, result.stderr
    script = ROOT / "egs/mini-2mix/local/synthesise.py"
    assert mini.calls == [
        f"{script} --out talkers --mixtures 8,2,2 --jobs 1",
        "mix --corpus talkers --mix-lists talkers --data data --jobs 1",
    ]


def test_libri2mix_and_the_options_of_all_recipes(tmp_path):
    for name in ("speech", "metadata", "noise"):
        (tmp_path / name).mkdir()
    libri = Recipe("recipes/libri2mix", tmp_path)
    options = ("--librispeech", "speech", "--metadata", "metadata", "--wham", "noise", "--train-set", "train-100")
    result = libri.run("--stop-stage", "1", *options, "--sample-rate", "16000", "--mode", "max", "--limit", "5")
    assert result.returncode == 0, result.stderr
    assert libri.calls == [
        "mix-librimix --librispeech speech --metadata metadata --wham noise --train-set train-100 --data data"
        " --limit 5 --sample-rate 16000 --mode max",
        "train --config conf.yaml --data data --exp exp/conf --set model.sample_rate=16000",
    ]
    again = libri.run("--stop-stage", "0", *options, "--sample-rate", "16000", "--limit", "5")
    assert "stage 0 ran with other parameters (mode 'max' there, '' here" in one_line_error(again)
    assert "needs --librispeech DIR (the corpus) and --metadata DIR" in one_line_error(
        libri.run("--force", "--stop-stage", "0", "--librispeech", "speech")
    )


def test_talkers_take_several_folders_and_start_from_a_model(tmp_path):
    for name in ("talkers", "more", "yet more", "noise"):
        (tmp_path / name).mkdir()
    (tmp_path / "start.pt").write_text("weights")
    recipe = Recipe("recipes/talkers", tmp_path)
    options = ("--talkers", "talkers", "--extra", "more", "--extra", "yet more", "--noise", "noise")
    result = recipe.run("--stop-stage", "1", *options, "--dev-mixtures", "9", "--init", "start.pt")
    assert result.returncode == 0, result.stderr
    assert recipe.calls == [
        "talkers --talkers talkers --data data --extra more --extra yet more --noise noise --dev-mixtures 9",
        "train --config conf.yaml --data data --exp exp/conf --init start.pt",
    ]
    other = recipe.run("--stop-stage", "0", *options[:4], "--dev-mixtures", "9")
    assert "stage 0 ran with other parameters (extra " in one_line_error(other)
    assert "init 'start.pt' there, '' here" in one_line_error(recipe.run("--stop-stage", "1"))
    assert "needs --talkers DIR (one folder per talker)" in one_line_error(recipe.run("--force"))


def test_lists_in_the_recipe_are_taken_where_none_are_named(recipe):
    if (ROOT / "recipes/wsj0-2mix/lists").exists():
        pytest.skip("the lists are there")
    assert "or run tools/fetch_mix_lists.sh first" in one_line_error(recipe.run("--wsj0", "corpus"))


def test_finished_stages_are_skipped_with_a_note(recipe):
    recipe.run(*CORPUS, "--stop-stage", "1")
    result = recipe.run(*CORPUS)
    assert recipe.commands == EVERY_COMMAND[2:]
    assert "stage 0 (corpus and mixtures): done on" in result.stdout
    assert "stage 1 (train the ANN): done on" in result.stdout
    assert "--force does it again" in result.stdout


def test_without_a_corpus_finished_mixtures_are_used(recipe):
    recipe.run(*CORPUS, "--limit", "4", "--stop-stage", "0")
    result = recipe.run("--stop-stage", "1")
    assert result.returncode == 0, result.stderr
    assert recipe.commands == ["train"]


def test_force_starts_again_from_nothing(recipe):
    recipe.run(*CORPUS)
    for made in ("ann/model.pt", "snn/model.pt", "scores/x.csv", "demo/index.html", "log/mine"):
        (recipe.exp / made).parent.mkdir(exist_ok=True)
        (recipe.exp / made).write_text("")
    result = recipe.run("--stage", "2", "--stop-stage", "2", "--force")
    assert result.returncode == 0, result.stderr
    assert recipe.commands == ["convert"]
    assert (recipe.exp / "ann/model.pt").exists() and (recipe.exp / "log/mine").exists()
    assert not any((recipe.exp / made).exists() for made in ("snn", "scores", "demo"))
    assert one_line_error(recipe.run("--stage", "4")).startswith("recipes/wsj0-2mix: error: stage 4 needs stage 3")


def test_force_makes_the_mixtures_again(recipe):
    recipe.run(*CORPUS, "--stop-stage", "0")
    for kept in ("wav8k", "mine"):
        (recipe.folder / "data" / kept).mkdir()
    result = recipe.run(*CORPUS, "--limit", "2", "--stop-stage", "0", "--force")
    assert result.returncode == 0, result.stderr
    assert not (recipe.folder / "data/wav8k").exists() and (recipe.folder / "data/mine").exists()


def test_failed_stage_names_its_log_keeps_the_exit_code_and_is_done_again(recipe):
    result = recipe.run(*CORPUS, FAKE_FAIL="separate-set --subset " + str(recipe.folder / "data/tt"))
    assert result.returncode == 7
    log = recipe.exp / "log/stage3.log"
    assert f"error: stage 3 failed with exit code 7; see {log}" in result.stderr
    assert "stub: told to fail" in log.read_text()
    assert recipe.commands[3:] == ["separate-set"] * 2  # nothing runs past the failure
    assert recipe.run(*CORPUS).returncode == 0
    assert recipe.commands == EVERY_COMMAND[3:]


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupt_ends_the_children_and_writes_no_marker(recipe, number, code):
    returncode, error, child = recipe.interrupt("train", number, *CORPUS)
    assert returncode == code
    assert "interrupted; the same command goes on" in error
    assert has_ended(child)
    assert not (recipe.exp / ".done/stage1").exists()
    recipe.run(*CORPUS)
    assert recipe.commands == EVERY_COMMAND[1:]


@pytest.mark.skipif(sys.platform != "linux", reason="needs prctl")
def test_a_killed_run_takes_its_command_along_and_the_next_one_goes_on(recipe):
    returncode, error, child = recipe.interrupt("train", signal.SIGKILL, *CORPUS)
    assert returncode == -signal.SIGKILL and error == ""
    wait_until(lambda: has_ended(child))
    assert not (recipe.exp / ".done/stage1").exists() and (recipe.exp / ".done/stage1.begun").exists()
    result = recipe.run(*CORPUS)
    assert result.returncode == 0, result.stderr
    assert recipe.commands == EVERY_COMMAND[1:]


def test_what_a_killed_run_left_running_keeps_others_out(recipe):
    *_, child = recipe.interrupt("train", signal.SIGKILL, *CORPUS, FAKE_STUBBORN="1")
    try:
        assert not has_ended(child)
        assert "another run is at work" in one_line_error(recipe.run("--stop-stage", "1"))
    finally:
        os.kill(child, signal.SIGKILL)
    wait_until(lambda: has_ended(child))
    assert recipe.run("--stop-stage", "1").returncode == 0 and recipe.commands == ["train"]


def test_a_command_that_does_not_heed_an_interrupt_is_killed(recipe):
    returncode, _, child = recipe.interrupt("train", signal.SIGTERM, *CORPUS, FAKE_STUBBORN="1")
    assert returncode == 143 and has_ended(child)


def test_a_run_in_the_background_of_a_shell_ignores_ctrl_c_and_heeds_sigterm(recipe):
    """Such a shell lets its jobs ignore SIGINT."""
    ignoring = ["bash", "-c", 'trap "" INT; exec "$@"', "bash"]
    usual, recipe.command = recipe.command, lambda *options: [*ignoring, *usual(*options)]
    returncode, _, child = recipe.interrupt("train", signal.SIGTERM, *CORPUS)
    assert returncode == 143 and has_ended(child)


def test_the_marker_names_parameters_and_results_to_read(recipe):
    (recipe.exp / "ann").mkdir(parents=True)
    (recipe.exp / "ann/model.pt").write_text("weights")
    recipe.run(*CORPUS, "--stop-stage", "1", "--limit", "4", "--set", "ann.lr=1", "--set", "ann.max_epochs=2")
    marker = json.loads((recipe.exp / ".done/stage1").read_text())
    mixtures = {"wsj0": "corpus", "mix-lists": "lists", "limit": 4}
    assert {key: value for key, value in marker["parameters"]["mixtures"].items() if value is not None} == mixtures
    assert marker["parameters"]["set"] == ["ann.lr=1", "ann.max_epochs=2"]
    assert (marker["stage"], marker["title"], marker["made"]) == (1, "train the ANN", ["ann"])


def test_another_base_of_the_configuration_is_another_configuration(recipe):
    (recipe.folder / "root.yaml").write_text("seed: 1\n")
    (recipe.folder / "conf.yaml").write_text("base: root.yaml\n")
    recipe.run(*CORPUS, "--stop-stage", "1")
    assert recipe.run("--stop-stage", "1").returncode == 0 and recipe.calls == []
    (recipe.folder / "root.yaml").write_text("seed: 2\n")
    assert "stage 1 ran with other parameters (config '" in one_line_error(recipe.run("--stage", "1"))
    (recipe.folder / "root.yaml").unlink()
    assert "conf.yaml: base: root.yaml: no such file" in one_line_error(recipe.run("--stage", "1"))


@pytest.mark.parametrize("marker", ["config=12 34\nmade=ann\n", "{", "[]", "{}"])
def test_a_marker_of_another_version_makes_its_stage_due(recipe, marker):
    recipe.run(*CORPUS, "--stop-stage", "2")
    (recipe.exp / ".done/stage1").write_text(marker)
    assert "stage1 is of another version); run --stage 1 first" in one_line_error(recipe.run("--stage", "2"))
    assert recipe.run().returncode == 0
    assert recipe.commands == EVERY_COMMAND[1:]


def test_output_of_a_command_is_on_the_screen_and_in_the_log(recipe):
    result = recipe.run(*CORPUS, "--stop-stage", "1", FAKE_FAIL="train")
    log = (recipe.exp / "log/stage1.log").read_text()
    assert log in result.stdout and log.endswith("stub: told to fail\n") and "stub" not in result.stderr
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d recipes/wsj0-2mix: stage 1: train the ANN\n\$ ", log)


def test_a_screen_that_takes_no_more_stops_nothing(recipe):
    """`run.sh | head -1`"""
    command = " ".join(map(shlex.quote, recipe.command(*CORPUS))) + " | head -n 1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=recipe.folder, env=recipe.environment(), capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1 and recipe.commands == EVERY_COMMAND
    assert "$ spiking-tasnet report" in (recipe.exp / "log/stage5.log").read_text()


def test_the_command_line_runs_a_recipe_as_its_run_sh_does(recipe):
    command = [sys.executable, "-m", "spiking_tasnet", "run", "recipes/wsj0-2mix"]
    done = subprocess.run([*command, "--help"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout == recipe.run("--help").stdout.replace(
        str(recipe.run_sh.parent), "recipes/wsj0-2mix"
    )
    for folder, message in (
        (".", "no recipe.py there"),
        ("nowhere", "no recipe.py there; name the folder of a recipe"),
    ):
        done = subprocess.run([*command[:-1], folder], cwd=recipe.folder, capture_output=True, text=True)
        assert done.returncode == 1 and message in one_line_error(done)


RECIPES = sorted(path.parent for path in [*ROOT.glob("recipes/*/recipe.py"), *ROOT.glob("egs/*/recipe.py")])


@pytest.mark.parametrize("folder", RECIPES, ids=lambda path: path.name)
def test_options_and_markers_need_no_package(folder, tmp_path):
    """On a fresh machine there is only the standard library, which is all that `-S` leaves."""
    command = [sys.executable, "-S", "-m", "spiking_tasnet", "run", str(folder), "--exp-dir", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1"}
    for options, message in (
        (["--help"], "Stages, and what they cost:"),
        (["--stage", "7"], "0 to 5 expected"),
        (["--stage", "1", "--data-dir", str(tmp_path)], "stage 1 needs stage 0"),
    ):
        done = subprocess.run([*command, *options], cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert message in done.stdout + done.stderr and "Traceback" not in done.stderr
        assert done.returncode == (options[0] != "--help")


def test_stages_out_of_order(recipe):
    assert "stage 3 needs stage 0 (corpus and mixtures)" in one_line_error(recipe.run("--stage", "3"))
    recipe.run(*CORPUS, "--stop-stage", "1")
    message = one_line_error(recipe.run("--stage", "3"))
    assert "stage 3 needs stage 2" in message and "run --stage 2 first" in message
    assert recipe.commands == []


def test_a_stage_done_again_makes_later_ones_due(recipe):
    recipe.run(*CORPUS)
    (recipe.exp / ".done/stage3").unlink()
    recipe.run("--stage", "3", "--stop-stage", "3")
    assert recipe.commands == ["separate-set"] * 4
    recipe.run(*CORPUS)
    assert recipe.commands == EVERY_COMMAND[7:]


def test_no_corpus(recipe):
    message = one_line_error(recipe.run("--stage", "0"))
    assert "--wsj0 DIR" in message and "egs/mini-2mix/run.sh --stage 0" in message
    assert not recipe.exp.exists()


def test_absent_corpus(recipe):
    message = one_line_error(recipe.run("--wsj0", "nowhere", "--mix-lists", "lists"))
    assert "--wsj0 'nowhere': no such folder" in message


def test_other_corpus_or_limit_than_the_finished_one(recipe):
    recipe.run(*CORPUS, "--limit", "4", "--stop-stage", "0")
    message = one_line_error(recipe.run(*CORPUS, "--limit", "5"))
    assert "limit '4' there, '5' here" in message and "another --data-dir, or --force" in message
    assert recipe.commands == []


@pytest.mark.parametrize("interrupted", [False, True])
def test_other_configuration_than_the_one_trained_with(recipe, interrupted):
    recipe.run(*CORPUS, "--stop-stage", "1", FAKE_FAIL="train" if interrupted else "")
    (recipe.folder / "conf.yaml").write_text("seed: 1\n")
    message = one_line_error(recipe.run("--stage", "1"))
    assert message.startswith("recipes/wsj0-2mix: error: stage 1 ran with other parameters (config '")
    assert "another --name, or --force" in message
    assert recipe.run("--stage", "1", "--name", "second", "--stop-stage", "1").returncode == 0
    assert recipe.commands == ["train"]


def test_other_mixtures_than_those_trained_on(recipe):
    recipe.run(*CORPUS, "--stop-stage", "1")
    recipe.run(*CORPUS, "--limit", "3", "--stop-stage", "0", "--force")
    assert "stage 1 ran with other parameters (mixtures" in one_line_error(recipe.run("--stage", "1"))


@pytest.mark.parametrize(
    "options, expected",
    [
        (["--stage", "6"], "0 to 5 expected"),
        (["--stage", "x"], "--stage 'x' found, a whole number expected"),
        (["--stage"], "--stage needs a value"),
        (["--stage", "3", "--stop-stage", "2"], "nothing to run"),
        (["--nonsense", "1"], "unknown option --nonsense"),
        (["3"], "'3' found, an option expected"),
        (["--force=1"], "--force takes no value"),
        (["--name", "../up"], "--name '../up' found"),
        (["--config", "absent.yaml"], "--config 'absent.yaml': no such file"),
        (["--data-dir", ""], "--data-dir is empty"),
    ],
)
def test_wrong_options(recipe, options, expected):
    assert expected in one_line_error(recipe.run(*options))


def test_option_spellings(recipe):
    result = recipe.run("--wsj0=corpus", "--mix-lists=lists", "--stop_stage=0", "--limit=08")
    assert result.returncode == 0, result.stderr
    assert recipe.calls == ["mix --wsj0 corpus --mix-lists lists --data data --limit 8"]


def test_an_experiment_is_run_once_at_a_time(recipe):
    recipe.run(*CORPUS, "--stop-stage", "0")
    with open(recipe.exp / ".lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "another run is at work" in one_line_error(recipe.run("--stage", "1"))
    assert recipe.run("--stop-stage", "1").returncode == 0


def test_data_are_made_by_one_run_at_a_time_and_read_by_many(recipe):
    recipe.run(*CORPUS, "--stop-stage", "0")
    with open(recipe.folder / "data/.lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        message = one_line_error(recipe.run(*CORPUS, "--name", "other", "--stop-stage", "0", "--force"))
        assert "another run makes its data" in message and "--data-dir" in message
        assert recipe.run("--name", "other", "--stage", "1", "--stop-stage", "1").returncode == 0
    assert recipe.run(*CORPUS, "--stop-stage", "0", "--force").returncode == 0


@pytest.mark.parametrize("run", ["egs/mini-2mix", "recipes/wsj0-2mix"])
def test_help_needs_no_environment(run, tmp_path):
    result = Recipe(run, tmp_path).run("--help", SPIKING_TASNET_PYTHON="/nowhere/python")
    assert result.returncode == 0
    for word in ("--stage N", "--stop-stage N", "--limit N", "0  corpus and mixtures:", "5  report and listening"):
        assert word in result.stdout


def test_paths_with_spaces(tmp_path):
    folder = tmp_path / "a b"
    (folder / "corpus").mkdir(parents=True)
    (folder / "lists").mkdir()
    result = Recipe("recipes/wsj0-2mix", folder).run(*CORPUS)
    assert result.returncode == 0, result.stderr


SCRIPTS = sorted(
    str(path.relative_to(ROOT))
    for path in [*ROOT.glob("recipes/*/run.sh"), *ROOT.glob("egs/*/run.sh"), *ROOT.glob("tools/*.sh"), ROOT / ".ci/run"]
    if os.access(path, os.X_OK) and "bash" in path.read_text().splitlines()[0]
)


@pytest.mark.skipif(shutil.which("dash") is None, reason="needs dash")
@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize(
    "version, told", [("", "another shell than bash"), *((v, f"bash {v}") for v in ("3.2.57(1)", "4.3.48"))]
)
def test_another_shell_or_an_old_bash_is_told_in_one_line(script, version, told, tmp_path):
    """dash stands for both: unlike bash, it takes BASH_VERSION as it is given."""
    path = ROOT / script
    done = subprocess.run(
        ["dash", str(path)], cwd=tmp_path, env={"BASH_VERSION": version}, capture_output=True, text=True
    )
    assert one_line_error(done).startswith(f"{path}: error: {told} found") and f"bash {path}" in done.stderr
    inside = subprocess.run(
        ["dash", path.name], cwd=path.parent, env={"BASH_VERSION": version}, capture_output=True, text=True
    )
    assert one_line_error(inside).startswith(f"{path.name}: error: {told} found")


@pytest.mark.skipif(shutil.which("dash") is None, reason="needs dash")
@pytest.mark.parametrize("version", ["4.4.20(1)-release", "5.2.15(1)-release", "10.0"])
def test_bash_that_is_new_enough(version, tmp_path):
    """Only the check, which is what stands first in tools/env.sh."""
    lines = (ROOT / "tools/env.sh").read_text().splitlines(keepends=True)
    check = "".join(lines[: lines.index("esac\n") + 1])
    done = subprocess.run(
        ["dash", "-c", f"{check}\necho fine"], env={"BASH_VERSION": version}, capture_output=True, text=True
    )
    assert done.stdout == "fine\n", done.stderr


def write_data(recipe, mixture, subsets=("tr", "cv", "tt")):
    """What stage 0 leaves, as far as run.sh looks at it; the stub makes nothing."""
    data = recipe.folder / "data"
    for subset in subsets:
        (data / subset).mkdir(parents=True)
        (data / subset / "wav.scp").write_text(f"a {mixture}\nb {mixture}\n")
    (data / "wav8k").mkdir()
    (data / "wav8k" / "a.wav").write_text("sound")


def test_folders_that_are_moved_together_stay_done(tmp_path):
    before = tmp_path / "before"
    for name in ("corpus", "lists"):
        (before / name).mkdir(parents=True)
    recipe = Recipe("recipes/wsj0-2mix", before)
    assert recipe.run(*CORPUS, "--stop-stage", "2").returncode == 0
    after = before.rename(tmp_path / "after")
    moved = Recipe("recipes/wsj0-2mix", after)
    assert moved.run(*CORPUS).returncode == 0
    assert moved.commands == EVERY_COMMAND[3:]


def test_a_checkout_that_is_moved_stays_done(tmp_path):
    """Everything where it is by default, inside the recipe."""
    for name in ("egs/mini-2mix", "tools"):
        shutil.copytree(
            ROOT / name, tmp_path / "one" / name, ignore=shutil.ignore_patterns("corpus", "data", "exp", "local")
        )
    mini = Recipe("egs/mini-2mix", tmp_path, tmp_path / "one")
    environment = mini.environment()

    def run(checkout):
        mini.calls_file.unlink(missing_ok=True)
        run_sh = tmp_path / checkout / "egs/mini-2mix/run.sh"
        return subprocess.run(
            ["bash", str(run_sh), "--stop-stage", "1", "--jobs", "1"], env=environment, capture_output=True, text=True
        )

    assert run("one").returncode == 0 and "one/egs" not in (tmp_path / "one/egs/mini-2mix/data/.done").read_text()
    (tmp_path / "one").rename(tmp_path / "two")
    done = run("two")
    assert done.returncode == 0, done.stderr
    assert mini.calls == [] and done.stdout.count("skipped") == 2


@pytest.mark.parametrize("lost", ["wav8k", "wav8k/a.wav", "cv", "tt/wav.scp"])
def test_mixtures_that_are_gone_or_empty_are_made_again(recipe, lost):
    recipe.run(*CORPUS, "--stop-stage", "0", FAKE_FAIL="mix")
    write_data(recipe, "../wav8k/a.wav")
    recipe.run(*CORPUS, "--stop-stage", "1")
    assert recipe.run(*CORPUS, "--stop-stage", "1").returncode == 0 and recipe.calls == []
    path = recipe.folder / "data" / lost
    shutil.rmtree(path) if path.is_dir() else path.write_text("") if lost.endswith("scp") else path.unlink()
    message = one_line_error(recipe.run("--stage", "1"))
    assert "stage 1 needs stage 0" in message and "is gone or empty; run --stage 0 first" in message
    assert recipe.calls == []
    again = recipe.run(*CORPUS, "--stop-stage", "0")
    assert again.returncode == 0 and recipe.commands == ["mix"] and "is gone or empty" in again.stdout


def test_audio_that_a_list_names_elsewhere_and_is_gone(recipe):
    recipe.run(*CORPUS, "--stop-stage", "0", FAKE_FAIL="mix")
    audio = recipe.folder / "elsewhere.wav"
    audio.write_text("sound")
    write_data(recipe, audio)
    recipe.run(*CORPUS, "--stop-stage", "1")
    assert recipe.run("--stop-stage", "1").returncode == 0 and recipe.calls == []
    audio.unlink()
    assert f"but {audio} is gone or empty" in one_line_error(recipe.run("--stage", "1"))


def test_an_experiment_that_is_gone_is_trained_again(recipe):
    recipe.run(*CORPUS, "--stop-stage", "0")
    (recipe.exp / "ann").mkdir(parents=True)
    (recipe.exp / "ann/model.pt").write_text("weights")
    recipe.run("--stop-stage", "2")
    assert recipe.run("--stop-stage", "2").returncode == 0 and recipe.calls == []
    shutil.rmtree(recipe.exp / "ann")
    assert "stage 2 needs stage 1 (train the ANN), but" in one_line_error(recipe.run("--stage", "2"))
    assert recipe.run("--stop-stage", "2").returncode == 0
    assert recipe.commands == ["train", "convert"]


def test_mixtures_made_again_by_the_same_options_are_the_same_data(recipe):
    recipe.run(*CORPUS, "--stop-stage", "1")
    shutil.rmtree(recipe.folder / "data")
    recipe.run(*CORPUS, "--stop-stage", "0")
    write_data(recipe, "../wav8k/a.wav")  # now with something to name in the marker
    recipe.run(*CORPUS, "--stop-stage", "0", "--force")
    assert recipe.run(*CORPUS, "--stop-stage", "1").returncode == 0 and recipe.calls == []


def test_a_training_that_has_not_ended_may_go_on_for_more_epochs(recipe):
    recipe.run(*CORPUS, "--stop-stage", "1", "--set", "ann.lr=1", FAKE_FAIL="spiking_tasnet train")
    more = ("--stop-stage", "1", "--set", "ann.max_epochs=9", "--set", "ann.lr=1")
    assert recipe.run(*more).returncode == 0 and recipe.commands == ["train"]
    assert "set 'ann.max_epochs=9 ann.lr=1' there" in one_line_error(recipe.run("--set", "ann.lr=1"))  # it has ended


def test_settings_that_change_no_result_may_change(recipe):
    recipe.run(*CORPUS, "--stop-stage", "1", "--set", "ann.lr=1", FAKE_FAIL="train")
    result = recipe.run("--stop-stage", "1", "--set", "ann.lr=1", "--set", "data.num_workers=0")
    assert result.returncode == 0 and recipe.commands == ["train"]
    assert recipe.calls[0].endswith("--set ann.lr=1 --set data.num_workers=0")
    assert "set 'ann.lr=1' there, '' here" in one_line_error(recipe.run("--set", "data.num_workers=0"))
    recipe.run("--stop-stage", "1", "--name", "plain")
    recipe.run("--stop-stage", "1", "--name", "plain", "--set", "data.num_workers=0")
    assert recipe.calls == []
