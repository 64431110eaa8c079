// The page: takes a sound, has the worker separate it, shows what came out.

const $ = id => document.getElementById(id);
const settings = JSON.parse($("settings").textContent);
const state = name => { document.documentElement.dataset.state = name; };
let worker, facts, job, playing, recording, early, addresses = [];

// ---- The worker.

const bytesOf = id => Uint8Array.from(atob($(id).textContent.trim()), letter => letter.charCodeAt(0)).buffer;

function start() {
  state("loading");
  if (worker) worker.terminate();
  const address = URL.createObjectURL(new Blob([$("worker").textContent], {type: "text/javascript"}));
  worker = new Worker(address);
  const opened = new Promise((resolve, reject) => {
    worker.onmessage = ({data}) => {
      if (data.type === "ready") resolve(data);
      else if (data.type === "failed" && data.during === "open") reject(new Error(data.message));
      else if (job) job(data);
    };
    worker.onerror = () => reject(new Error("the worker did not start"));
  });
  const [module, model] = [bytesOf("module"), bytesOf("model")];
  if (!window.WebAssembly || !WebAssembly.validate(module))
    throw new Error("this browser lacks WebAssembly with SIMD; Chrome 91, Firefox 89, Safari 16.4 or a later one has it");
  worker.postMessage({type: "open", module, model, settings}, [module, model]);
  return opened.then(data => {
    URL.revokeObjectURL(address);
    facts = data;
    state("ready");
  });
}

// What the worker makes of a sound.
function separate({channels, rate}) {
  return new Promise((resolve, reject) => {
    job = data => {
      if (data.type === "progress") showProgress(data);
      else if (data.type === "done") resolve(data);
      else reject(new Error(data.message));
    };
    worker.postMessage({type: "separate", channels, rate}, channels.map(channel => channel.buffer));
  });
}

// ---- One recording after the other.

async function take(blob, name) {
  const now = document.documentElement.dataset.state;
  if (!facts && now === "loading") {
    early = {blob, name};
    say(`${name} is separated as soon as the network is there.`);
  }
  if (!facts || now === "busy") return;
  state("busy");
  $("trouble").hidden = true;
  $("results").hidden = true;
  $("busy").hidden = false;
  showProgress({share: 0});
  say(`Separating ${name}.`);
  try {
    const sound = await decode(blob);
    if (sound.channels[0].length > 60 * settings.mostMinutes * sound.rate)
      throw new Error(`it is longer than ${settings.mostMinutes} minutes; cut it, or use the command spiking-tasnet separate`);
    show(await separate(sound), name);
    state("done");
  } catch (error) {
    fail(`${name}: ${error.message}`);
  }
  $("busy").hidden = true;
}

function showProgress({share}) {
  $("progress").value = share;
  $("percent").textContent = `${Math.round(100 * share)} %`;
}

function say(text) { $("status").textContent = text; }

function fail(text) {
  state("failed");
  say("");
  $("trouble").textContent = text + ".";
  $("trouble").hidden = false;
}

async function cancel() {
  job = null;
  $("busy").hidden = true;
  await start();
  say("Cancelled.");
  $("file").focus();
}

// ---- What came out.

const element = (tag, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
};

function show(result, name) {
  addresses.forEach(address => URL.revokeObjectURL(address));
  addresses = [];
  playing = null;
  const {seconds, spent, rate, cost, raster, reason, pictures} = result, stem = name.replace(/\.[^.]*$/, "");
  $("heading").textContent = name;
  $("summary").textContent = `${seconds.toFixed(1)} s at ${rate} Hz, separated in ${spent.toFixed(2)} s, ` +
    `real-time factor ${(spent / seconds).toFixed(2)}. ${reason}`;
  document.documentElement.dataset.factor = spent / seconds;
  document.documentElement.dataset.memory = result.memory;
  $("players").replaceChildren(...[result.signal, ...result.talkers].map((samples, n) =>
    player(samples, rate, pictures[n], n, stem)));
  showSpikes(raster, cost);
  showCost(cost, seconds);
  $("results").hidden = false;
  follow();
  say(`Separated ${name}.`);
  $("heading").focus();
}

function player(samples, rate, picture, n, stem) {
  const label = n ? `Talker ${n}` : "Mixture", address = URL.createObjectURL(wavOf(samples, rate));
  addresses.push(address);
  const canvas = element("canvas", {className: "spectrogram"}), head = element("i", {className: "head"});
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `Spectrogram of ${label.toLowerCase()}`);
  drawShades(canvas, picture);
  const audio = element("audio", {controls: true, src: address, preload: "auto"});
  audio.setAttribute("aria-label", label);
  audio.onplay = () => {
    document.querySelectorAll("audio").forEach(other => other !== audio && other.pause());
    playing = audio;
    follow();
  };
  audio.onseeking = () => {
    playing = audio;
    follow();
  };
  const frame = element("div", {className: "picture"}, canvas, head);
  frame.onclick = event => {
    audio.currentTime = samples.length / rate * event.offsetX / frame.clientWidth;
    audio.play();
  };
  const title = element("figcaption", {}, element("span", {className: "label", textContent: label}));
  if (n) {
    const file = `${stem}_s${n}.wav`;
    const link = element("a", {className: "button", href: address, download: file, textContent: "Download"});
    link.setAttribute("aria-label", `Download talker ${n}, ${file}`);
    title.append(link);
  }
  const top = facts.sampleRate / 2000, middle = samples.length / rate / 2;
  const kilohertz = element("div", {className: "khz"},
    ...[`${top} kHz`, `${top / 2}`, "0"].map(text => element("span", {textContent: text})));
  const axis = element("div", {className: "axis"},
    ...["0", middle.toFixed(1), `${(2 * middle).toFixed(1)} s`].map(text => element("span", {textContent: text})));
  kilohertz.ariaHidden = axis.ariaHidden = "true";
  return element("figure", {}, title, element("div", {className: "plot"}, kilohertz, frame, axis), audio);
}

// ---- Spikes.

let view;

const layerName = layer => layer ? `dilated ${layer}` : "encoding";

function showSpikes(raster, {spikesPerNeuron}) {
  $("raster").setAttribute("aria-label", `Spikes of ${raster.rows} neurons of each of ${raster.layers} layers around ` +
    "the moment that is played");
  drawActivity($("activity"), raster);
  for (const id of ["names", "bands"])
    $(id).replaceChildren(...raster.counts.map((_, layer) =>
      element("span", {textContent: layerName(raster.layers - 1 - layer)})));
  view = new RasterView($("raster"), raster);
  const mean = spikesPerNeuron.reduce((a, b) => a + b, 0) / raster.layers;
  $("spiking").textContent = `A neuron fires ${number(mean)} times in a frame of ${raster.steps} steps, ` +
    `which is ${number(1000 * raster.stride)} ms of sound.`;
  $("layers").replaceChildren(...spikesPerNeuron.map((spikes, layer) => row(layerName(layer),
    raster.channels[layer], number(spikes), `${(100 * spikes / raster.steps).toFixed(1)} %`)));
  $("activity").parentElement.onclick = event => {
    const audio = playing || document.querySelector("audio");
    audio.currentTime = audio.duration * event.offsetX / event.currentTarget.clientWidth;
  };
}

// Lines over the pictures, and the raster, go where the sound is.
let drawn = 0;

function follow() {
  const audio = playing || document.querySelector("audio");
  if (!audio || !view) return;
  const now = audio.currentTime, share = audio.duration ? now / audio.duration : 0;
  document.querySelectorAll("#results .head").forEach(head => {
    const own = head.closest("figure").querySelector("audio");
    head.style.left = `${100 * share}%`;
    head.style.opacity = !own || own === audio ? 1 : 0.35;
  });
  const slow = matchMedia("(prefers-reduced-motion: reduce)").matches ? 500 : 0;
  if (audio.paused || performance.now() - drawn >= slow) {
    drawn = performance.now();
    const {begin, end} = view.draw(now);
    $("now").style.left = `${100 * Math.min(1, (now - begin) / (end - begin))}%`;
    $("moment").textContent = `${now.toFixed(2)} s`;
    $("from").textContent = begin.toFixed(2);
    $("to").textContent = `${end.toFixed(2)} s`;
  }
  if (!audio.paused) requestAnimationFrame(follow);
}

// ---- Operations and energy.

function number(value) { return value >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3))); }

// With the unit's prefix, of pico to tera.
function scaled(value, unit) {
  const power = value > 0 ? Math.min(4, Math.max(-4, Math.floor(Math.log10(value) / 3))) : 0;
  return `${number(value / 1000 ** power)} ${["p", "n", "µ", "m", "", "k", "M", "G", "T"][power + 4]}${unit}`;
}

function row(head, ...cells) {
  const first = element("th", {textContent: head, scope: "row"});
  return element("tr", {}, first, ...cells.map(cell => element("td", {textContent: cell})));
}

function showCost(cost, seconds) {
  const rate = (value, unit = "") => scaled(value / seconds, unit).trim();
  $("cost").replaceChildren(
    row("multiply-additions", rate(cost.annMacs), rate(cost.snnMacs)),
    row("additions that spikes cause", "none", rate(cost.synops)),
    row("energy", rate(cost.annJoule, "J"), rate(cost.snnJoule, "J")),
  );
  const most = Math.max(cost.annJoule, cost.snnJoule) || 1;
  $("ann-bar").style.width = `${100 * cost.annJoule / most}%`;
  $("snn-bar").style.width = `${100 * cost.snnJoule / most}%`;
  $("saving").textContent = `The spiking network takes ${number(100 * cost.snnJoule / cost.annJoule)} % of the ANN’s ` +
    `energy. Its spikes cause ${number(cost.synops / cost.drivenMacs)} additions where the ANN multiplies and adds once.`;
  document.documentElement.dataset.cost = JSON.stringify(cost);
}

// ---- Input.

function choose(files) {
  const [file] = files;
  if (file) take(file, file.name);
}

$("file").onchange = event => {
  choose(event.target.files);
  event.target.value = "";
};

for (const kind of ["dragenter", "dragover", "dragleave", "drop"])
  addEventListener(kind, event => {
    event.preventDefault();
    $("input").classList.toggle("over", kind === "dragenter" || kind === "dragover");
    if (kind === "drop") choose(event.dataTransfer.files);
  });

$("record").onclick = async () => {
  const button = $("record");
  try {
    if (recording) {
      recording.stop();
      return;
    }
    recording = await record();
    $("trouble").hidden = true;
    const began = performance.now(), clock = () => {
      const seconds = Math.floor((performance.now() - began) / 1000);
      button.textContent = `Stop, ${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
      if (seconds >= 60 * settings.mostMinutes - 5 && recording) recording.stop();
    };
    const timer = setInterval(clock, 500);
    clock();
    button.setAttribute("aria-pressed", "true");
    say("Recording. Press the button again to stop.");
    const sound = await recording.sound;
    clearInterval(timer);
    recording = null;
    button.textContent = "Record";
    button.setAttribute("aria-pressed", "false");
    await take(sound, "recording");
  } catch (error) {
    recording = null;
    fail(error.message[0].toUpperCase() + error.message.slice(1));
  }
};

$("cancel").onclick = cancel;
if ($("try")) $("try").onclick = () => take(new Blob([bytesOf("example")]), $("example").dataset.name);
addEventListener("resize", follow);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", follow);

(async () => {
  try {
    await start();
  } catch (error) {
    fail(`The page cannot separate here: ${error.message}`);
    return;
  }
  if (early) take(early.blob, early.name);
  else choose($("file").files); // chosen before this script was read
})();
