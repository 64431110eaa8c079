// Sounds of files: decoded by the browser, written as WAV.

const OTHERWISE = 48000;  // Hz, of a sound whose own rate is not read here: most have it, and more than models need

// The sample rate that a WAV or FLAC file states, so that the browser decodes without resampling; 0 of other files.
function statedRate(bytes) {
  const view = new DataView(bytes);
  const text = (place, size) => String.fromCharCode(...new Uint8Array(bytes, place, size));
  if (view.byteLength < 44) return 0;
  if (text(0, 4) === "fLaC") return view.getUint32(18) >>> 12;
  if (text(0, 4) !== "RIFF" || text(8, 4) !== "WAVE") return 0;
  for (let place = 12; place + 16 <= view.byteLength;) {
    const size = view.getUint32(place + 4, true);
    if (text(place, 4) === "fmt ") return view.getUint32(place + 12, true);
    place += 8 + size + size % 2;
  }
  return 0;
}

// {channels, rate} of a file or recording (Blob); channels are Float32Arrays.
async function decode(blob) {
  const bytes = await blob.arrayBuffer();
  let context;
  try {
    context = new OfflineAudioContext(1, 1, statedRate(bytes) || OTHERWISE);
  } catch {
    context = new OfflineAudioContext(1, 1, OTHERWISE);  // of a rate that the browser has no context for
  }
  let buffer;
  try {
    buffer = await context.decodeAudioData(bytes);
  } catch {
    throw new Error("it holds no sound that this browser reads; WAV, FLAC, MP3, Ogg or M4A expected");
  }
  const channels = Array.from({length: buffer.numberOfChannels}, (_, channel) => buffer.getChannelData(channel));
  if (channels.every(isOf16Bits)) channels.forEach(evenOut);
  return {channels, rate: buffer.sampleRate};
}

// Chromium divides the positive samples of 16 bits by 32767 and the negative ones by 32768. Other programs divide both by
// 32768, and the network was trained on what they give: a neuron at its threshold tells the difference.
const isOf16Bits = samples => samples.every(x => {
  const whole = x * (x > 0 ? 32767 : 32768);
  return Math.abs(whole - Math.round(whole)) < 4e-3;
});

function evenOut(samples) {
  for (let n = 0; n < samples.length; n++)
    if (samples[n] > 0) samples[n] = Math.round(32767 * samples[n]) / 32768;
}

// A WAV file of one channel of 16 bits; samples beyond full scale are cut.
function wavOf(samples, rate) {
  const view = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const text = (place, letters) => [...letters].forEach((letter, n) => view.setUint8(place + n, letter.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + 2 * samples.length, true);
  text(8, "WAVEfmt ");
  [[16, 16], [24, rate], [28, 2 * rate], [40, 2 * samples.length]].forEach(([place, x]) => view.setUint32(place, x, true));
  [[20, 1], [22, 1], [32, 2], [34, 16]].forEach(([place, x]) => view.setUint16(place, x, true));
  text(36, "data");
  for (let n = 0; n < samples.length; n++)
    view.setInt16(44 + 2 * n, Math.round(Math.min(32767, Math.max(-32768, 32768 * samples[n]))), true);
  return new Blob([view.buffer], {type: "audio/wav"});
}

// Sound of the microphone until `stop()`: {stop, sound}, of which `sound` resolves to a Blob.
async function record() {
  if (!navigator.mediaDevices || !window.MediaRecorder) throw new Error("this browser gives a page no microphone");
  const audio = {echoCancellation: false, noiseSuppression: false, autoGainControl: false};
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({audio});
  } catch {
    throw new Error("no microphone was found, or this page may not use it; allow it, or choose a file");
  }
  const recorder = new MediaRecorder(stream), pieces = [];
  recorder.ondataavailable = ({data}) => pieces.push(data);
  const sound = new Promise(resolve => {
    recorder.onstop = () => {
      stream.getTracks().forEach(track => track.stop());
      resolve(new Blob(pieces, {type: recorder.mimeType}));
    };
  });
  recorder.start();
  return {stop: () => recorder.stop(), sound};
}
