// The worker of the page: {type: "open", module, model, settings}, then {type: "separate", channels, rate} any number of
// times. Answers are "ready", "progress", "done" and "failed".

const BETWEEN = 40;  // ms between two reports of progress
let separator, settings;

async function open(message) {
  settings = message.settings;
  const {instance} = await WebAssembly.instantiate(message.module, {});
  separator = new Separator(instance, new Uint8Array(message.model));
  const {sampleRate, nSrc, numSteps, nLayers, latency, memory} = separator;
  return {type: "ready", sampleRate, nSrc, numSteps, nLayers, latency, memory};
}

function separate({channels, rate}) {
  const began = performance.now(), own = separator.sampleRate, length = channels[0].length;
  if (!length) throw new Error("it has no samples; choose another recording");
  const tell = (share, doing) => postMessage({type: "progress", share, doing});
  tell(0, "Preparing");
  const {signal, reason} = pickChannel(channels, rate, settings.channels);
  const mixture = resample(signal, rate, own, Math.max(1, Math.ceil(length * own / rate)));
  const {levelled, gains} = setLevel(removeRumble(mixture, own, settings.rumble), own, settings.level);
  const raster = new Raster(separator, separator.framesOf(levelled.length, settings.sizes.kernel_size), settings.pictures);
  const started = performance.now();
  let told = started;
  const sources = separator.separate(levelled, given => {
    raster.look();
    if (performance.now() - told > BETWEEN) {
      told = performance.now();
      tell(given / levelled.length, "Separating");
    }
  });
  raster.look();
  const spent = performance.now() - started;
  if (sources.some(source => source.some(x => !Number.isFinite(x))))
    throw new Error("the talkers came out infinite: the model is damaged or badly trained; give another one");
  tell(1, "Drawing");
  fitTalkers(sources, levelled, gains, own, settings.gains);
  const talkers = sources.map(source => resample(source, own, rate, length));
  const peak = talkers.reduce((most, talker) => talker.reduce((a, x) => Math.max(a, Math.abs(x)), most), 1);
  for (const talker of talkers) for (let n = 0; n < length; n++) talker[n] /= peak;
  const seconds = length / rate;
  const level = mixture.reduce((most, x) => Math.max(most, Math.abs(x)), 0) || 1;
  const pictures = [mixture, ...sources].map(one => spectrogram(one, own, level, settings.pictures));
  const cost = countCost({...settings.sizes, num_steps: separator.numSteps}, raster.counts, settings.energy);
  return {
    type: "done", signal, talkers, rate, seconds, reason, pictures, cost,
    raster: {layers: raster.layers, rows: raster.rows, frames: raster.frames, words: raster.words,
      counts: raster.counts, steps: separator.numSteps, stride: separator.stride / own,
      channels: raster.counts.map((_, layer) => separator.channels(layer))},
    spent: spent / 1000, total: (performance.now() - began) / 1000, memory: separator.bytes().length,
  };
}

onmessage = async ({data}) => {
  try {
    const answer = data.type === "open" ? await open(data) : separate(data);
    const arrays = answer.type === "done" ? [answer.signal, ...answer.talkers, answer.raster.words,
      ...answer.raster.counts, ...answer.pictures.map(picture => picture.shades)].map(array => array.buffer) : [];
    postMessage(answer, [...new Set(arrays)]);
  } catch (error) {
    postMessage({type: "failed", during: data.type, message: error.message});
  }
};
