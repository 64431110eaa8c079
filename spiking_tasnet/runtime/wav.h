/* WAV files, block by block: 16, 24 or 32 bits or float32 in, float32 out. */
#ifndef SPIKING_TASNET_WAV_H
#define SPIKING_TASNET_WAV_H

#include <stdint.h>
#include <stdio.h>

typedef struct {
    FILE *file;
    uint32_t rate, channels, bytes; /* bytes a sample */
    int is_float;
    uint64_t frames; /* that the header counts; those that are there may be fewer */
} wav_t;

/* Open a file up to its samples. Returns NULL, or what is wrong; the file is then closed. */
const char *wav_open(wav_t *wav, const char *path);

/* The mean over channels of the next frames, at most `count`; returns how many there were. */
int64_t wav_read(wav_t *wav, float *samples, int64_t count);

/* Begin a file of one channel of float32, whose length is filled in by wav_finish. Returns NULL, or what is wrong. */
const char *wav_create(wav_t *wav, const char *path, uint32_t rate);
int wav_write(wav_t *wav, const float *samples, int64_t count); /* 0 where that failed */

/* Multiply what was written by `gain`, complete the header and close. Returns 0 where that failed. */
int wav_finish(wav_t *wav, float gain);

#endif
