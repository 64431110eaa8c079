"""The fixed part of the listening page: layout, light and dark colours, and the little script of its players."""

from __future__ import annotations

from string import Template

STYLE = """
:root { color-scheme: light dark; --page: #f7f7f9; --card: #fff; --text: #1c2027; --soft: #5b6472; --line: #dfe2e8;
  --accent: #1f5fbf; }
@media (prefers-color-scheme: dark) {
  :root { --page: #14161b; --card: #1d2027; --text: #e8eaee; --soft: #a2abb9; --line: #333844; --accent: #7fb0ff; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 72rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0.5rem 0; }
h2 { font-size: 1.2rem; margin: 0; }
p { max-width: 46rem; margin: 0.4rem 0 0.9rem; }
.note { color: var(--soft); font-size: 0.85rem; }
code { font-size: 0.8rem; overflow-wrap: anywhere; }
section { border-top: 1px solid var(--line); margin-top: 2rem; padding-top: 1.4rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--soft); font-size: 0.85rem; padding-bottom: 0.3rem; }
th, td { padding: 0.3rem 0.8rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th:first-child, header td:nth-child(2), header th:nth-child(2) { text-align: left; }
thead th { color: var(--soft); font-weight: 600; }
tbody th { font-weight: 600; }
.top, .talker { display: grid; gap: 1rem; align-items: center; margin-top: 1rem;
  grid-template-columns: repeat(auto-fit, minmax(min(19rem, 100%), 1fr)); }
figure { margin: 0; padding: 0.7rem; background: var(--card); border: 1px solid var(--line); border-radius: 0.6rem; }
figcaption { display: flex; justify-content: space-between; align-items: baseline; gap: 0.5rem; margin-bottom: 0.4rem; }
.label { font-weight: 600; }
.plot { display: grid; grid-template-columns: 2.9rem 1fr; column-gap: 0.35rem; font-size: 0.7rem; color: var(--soft); }
.khz { display: flex; flex-direction: column; justify-content: space-between; text-align: right; line-height: 1; }
.picture { position: relative; height: 8rem; cursor: pointer; overflow: hidden; border-radius: 0.25rem; }
.picture img { display: block; width: 100%; height: 100%; }
.head { position: absolute; top: 0; bottom: 0; left: 0; width: 2px; background: #fff; opacity: 0; }
.seconds { grid-column: 2; display: flex; justify-content: space-between; padding-top: 0.15rem; }
audio { display: block; width: 100%; height: 2.4rem; margin-top: 0.5rem; }
audio:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
@media print { audio { display: none; } }
"""

# Counts the players that can play into the page's root element (a check for people and tests), stops the others
# when one starts, and moves a line over the spectrogram.
SCRIPT = """
const players = Array.from(document.querySelectorAll("audio"));
function report() {
  const ready = players.filter(p => p.duration > 0 && Number.isFinite(p.duration)).length;
  document.documentElement.dataset.playable = ready + "/" + players.length;
  if (players.some(p => p.error)) document.getElementById("trouble").hidden = false;
}
for (const player of players) {
  const picture = player.closest("figure").querySelector(".picture");
  const head = picture.querySelector(".head");
  const follow = () => {
    head.style.opacity = player.currentTime > 0 ? 0.9 : 0;
    head.style.left = 100 * player.currentTime / player.duration + "%";
    if (!player.paused) requestAnimationFrame(follow);
  };
  player.addEventListener("loadedmetadata", report);
  player.addEventListener("error", report);
  player.addEventListener("seeked", follow);
  player.addEventListener("play", () => {
    for (const other of players) if (other !== player) other.pause();
    follow();
  });
  picture.addEventListener("click", event => {
    const box = picture.getBoundingClientRect();
    player.currentTime = player.duration * (event.clientX - box.left) / box.width;
    player.play();
  });
}
report();
"""

PAGE = Template(
    """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<link rel="icon" href="data:,">
<style>"""
    + STYLE.replace("$", "$$")
    + """</style>
</head>
<body>
<main>
<header>
<h1>$title</h1>
<p>Each mixture below was separated twice: by a Conv-TasNet (ANN), and by the same network with its separator converted
to spiking neurons by progressive tandem learning (SNN).</p>
$summary
<p class="note">Talkers: open, never heard in training; closed, $closed_talkers. SI-SDR in dB, SI-SDRi is its gain
over the mixture. The examples come from the open test set and were chosen by score, not by ear: typical mixtures of
each kind, ranked by the SNN’s SI-SDRi. Separated talkers are shown in the order of their references and at their
level; one gain for all sounds of an example, nothing is clipped. Click a spectrogram to play from there.</p>
<p id="trouble" hidden role="alert">This browser cannot play some of the sounds (16-bit WAV inside the page).</p>
</header>
$examples
</main>
<script>"""
    + SCRIPT.replace("$", "$$")
    + """</script>
</body>
</html>
"""
)
