#include "wav.h"

#include <string.h>

enum { HEADER = 44, PCM = 1, IEEE_FLOAT = 3, EXTENSIBLE = 0xFFFE, MOST_CHANNELS = 64, PIECE = 1024 };

static uint32_t number(const uint8_t *from, int bytes)
{
    uint32_t value = 0;
    for (int n = 0; n < bytes; n++)
        value |= (uint32_t)from[n] << 8 * n;
    return value;
}

/* The chunks up to the samples; returns NULL, or what is wrong. */
static const char *read_chunks(wav_t *wav)
{
    uint8_t riff[12], head[8], format[40];
    int known = 0;
    if (fread(riff, 1, 12, wav->file) < 12 || memcmp(riff, "RIFF", 4) || memcmp(riff + 8, "WAVE", 4))
        return "it is no WAV file; convert it to one";
    while (fread(head, 1, 8, wav->file) == 8) {
        uint32_t size = number(head + 4, 4);
        if (!memcmp(head, "data", 4)) {
            if (!known)
                return "its samples come before its format; write it again";
            wav->frames = size / (wav->bytes * wav->channels);
            return NULL;
        }
        uint64_t left = (uint64_t)size + size % 2;
        if (!memcmp(head, "fmt ", 4) && size >= 16) {
            size_t length = size < sizeof format ? size : sizeof format;
            memset(format, 0, sizeof format);
            if (fread(format, 1, length, wav->file) < length)
                break;
            left -= length;
            uint32_t kind = number(format, 2), bits = number(format + 14, 2);
            kind = kind == EXTENSIBLE && size >= 40 ? number(format + 24, 2) : kind;
            wav->channels = number(format + 2, 2);
            wav->rate = number(format + 4, 4);
            wav->bytes = bits / 8;
            wav->is_float = kind == IEEE_FLOAT;
            known = (kind == PCM && (bits == 16 || bits == 24 || bits == 32)) || (kind == IEEE_FLOAT && bits == 32);
            if (!known || !wav->channels || wav->channels > MOST_CHANNELS)
                return "16, 24 or 32 bits or float32 in at most 64 channels expected; convert it";
        }
        for (; left; left--) /* a pipe cannot be wound */
            if (fgetc(wav->file) == EOF)
                return "it ends in its header; copy it again";
    }
    return "it has no samples; copy it again";
}

const char *wav_open(wav_t *wav, const char *path)
{
    memset(wav, 0, sizeof *wav);
    wav->file = fopen(path, "rb");
    if (!wav->file)
        return "it cannot be opened; is the name right?";
    const char *fault = read_chunks(wav);
    if (fault)
        fclose(wav->file);
    return fault;
}

static float sample_of(const wav_t *wav, const uint8_t *from)
{
    uint32_t bits = number(from, (int)wav->bytes) << (32 - 8 * wav->bytes);
    float value;
    memcpy(&value, &bits, sizeof value);
    return wav->is_float ? value : (float)(int32_t)bits / 2147483648.0f;
}

int64_t wav_read(wav_t *wav, float *samples, int64_t count)
{
    uint8_t frame[4 * MOST_CHANNELS];
    size_t size = (size_t)wav->bytes * wav->channels;
    int64_t n = 0;
    for (; n < count && wav->frames && fread(frame, 1, size, wav->file) == size; n++, wav->frames--) {
        float sum = 0;
        for (uint32_t channel = 0; channel < wav->channels; channel++)
            sum += sample_of(wav, frame + channel * wav->bytes);
        samples[n] = sum / (float)wav->channels;
    }
    return n;
}

/* A header of float32 with `frames` samples, as many as 32 bits count. */
static int write_header(wav_t *wav)
{
    uint64_t size = wav->frames * 4 < 0xFFFFFF00u ? wav->frames * 4 : 0xFFFFFF00u;
    uint32_t numbers[] = {(uint32_t)size + HEADER - 8, 16, 1u << 16 | IEEE_FLOAT, wav->rate, wav->rate * 4,
                          32u << 16 | 4, (uint32_t)size};
    uint8_t header[HEADER] = "RIFF....WAVEfmt ................dataxxxx";
    static const int places[] = {4, 16, 20, 24, 28, 32, 40};
    memcpy(header + 36, "data", 4);
    for (int n = 0; n < 7; n++)
        for (int byte = 0; byte < 4; byte++)
            header[places[n] + byte] = (uint8_t)(numbers[n] >> 8 * byte);
    return fwrite(header, 1, HEADER, wav->file) == HEADER;
}

const char *wav_create(wav_t *wav, const char *path, uint32_t rate)
{
    *wav = (wav_t){.rate = rate, .channels = 1, .bytes = 4, .is_float = 1};
    wav->file = fopen(path, "wb+");
    return wav->file && write_header(wav) ? NULL : "it cannot be written";
}

int wav_write(wav_t *wav, const float *samples, int64_t count)
{
    wav->frames += (uint64_t)count;
    return fwrite(samples, sizeof(float), (size_t)count, wav->file) == (size_t)count;
}

int wav_finish(wav_t *wav, float gain)
{
    float piece[PIECE];
    int done = 1;
    for (uint64_t place = 0; done && place < wav->frames; place += PIECE) {
        size_t count = wav->frames - place < PIECE ? (size_t)(wav->frames - place) : PIECE;
        long offset = (long)(HEADER + 4 * place);
        done = !fseek(wav->file, offset, SEEK_SET) && fread(piece, sizeof(float), count, wav->file) == count;
        for (size_t n = 0; n < count; n++)
            piece[n] *= gain;
        done = done && !fseek(wav->file, offset, SEEK_SET) && fwrite(piece, sizeof(float), count, wav->file) == count;
    }
    done = done && !fseek(wav->file, 0, SEEK_SET) && write_header(wav);
    return !fclose(wav->file) && done;
}
