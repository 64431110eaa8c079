/* stn-separate [-m MODEL.stn] IN.wav OUT1.wav OUT2.wav: one mixture, one float32 file for each talker.
 *
 * The network leaves a talker's level and sign free. Each gets the gain with which the talkers' sum is nearest to the
 * mixture over the whole recording, which is known at its end: the files are then scaled in place.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "separator.h"
#include "wav.h"

enum { BLOCK = 1024, MOST = 8, PATH = 4096 };
static const char usage[] = "usage: stn-separate [-m MODEL.stn] IN.wav OUT1.wav OUT2.wav ...\n";

typedef struct {
    separator_t *separator;
    wav_t in, out[MOST];
    const char *const *paths;                         /* of the outputs */
    int64_t n_src, taken, given, kept;                /* samples; kept: of the mixture, until its talkers come */
    float *mixture, *sources;
    double products[MOST][MOST], with_mixture[MOST];  /* inner products of the talkers, and with the mixture */
} job_t;

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "stn-separate: error: %s: %s\n", what, why);
    return 0;
}

static void part_path(char *part, const char *path) { snprintf(part, PATH, "%s.part", path); }

static void *read_model(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    char *contents = NULL;
    long length = -1;
    if (file && !fseek(file, 0, SEEK_END))
        length = ftell(file);
    if (length >= 0 && !fseek(file, 0, SEEK_SET) && (contents = malloc((size_t)length + 1)))
        *size = fread(contents, 1, (size_t)length, file);
    if (file)
        fclose(file);
    return contents;
}

static int open_model(job_t *job, const char *path)
{
    size_t size = 0;
    const char *error = "it cannot be read; spiking-tasnet export makes one, -m names it";
    void *contents = read_model(path, &size);
    if (contents)
        job->separator = separator_open(contents, size, &error);
    free(contents);
    return job->separator ? 1 : fail(path, error);
}

/* Take what is ready: write it, and add up its inner products. */
static int pull(job_t *job)
{
    for (int64_t ready; (ready = separator_pull(job->separator, job->sources, BLOCK)) > 0; job->given += ready) {
        for (int64_t k = 0; k < job->n_src; k++) {
            const float *talker = job->sources + k * BLOCK;
            for (int64_t n = 0; n < ready; n++) {
                job->with_mixture[k] += (double)talker[n] * job->mixture[(job->given + n) % job->kept];
                for (int64_t other = 0; other <= k; other++)
                    job->products[k][other] += (double)talker[n] * job->sources[other * BLOCK + n];
            }
            if (!wav_write(&job->out[k], talker, ready))
                return fail(job->paths[k], "it cannot be written; is the disk full?");
        }
    }
    return 1;
}

static int separate(job_t *job, const char *path)
{
    float block[BLOCK];
    for (int64_t count; (count = wav_read(&job->in, block, BLOCK)) > 0;)
        for (int64_t done = 0, taken; done < count; done += taken) {
            taken = separator_push(job->separator, block + done, count - done);
            if (taken < 0)
                return fail(path, "it holds samples that are not finite");
            for (int64_t n = 0; n < taken; n++, job->taken++)
                job->mixture[job->taken % job->kept] = block[done + n];
            if (!pull(job))
                return 0;
        }
    separator_finish(job->separator);
    if (!job->taken)
        return fail(path, "it has no samples");
    return pull(job);
}

/* Gains that bring the talkers' sum nearest to the mixture: Gauss-Seidel on the normal equations, in which each talker
 * keeps the sign that it has in the mixture. */
static void fit_gains(const job_t *job, double *gains)
{
    for (int64_t k = 0; k < job->n_src; k++)
        gains[k] = 0;
    for (int turn = 0; turn < 1000; turn++)
        for (int64_t k = 0; k < job->n_src; k++) {
            double rest = job->with_mixture[k];
            for (int64_t other = 0; other < job->n_src; other++)
                rest -= other == k ? 0 : job->products[k > other ? k : other][k > other ? other : k] * gains[other];
            gains[k] = job->products[k][k] > 0 && rest * job->with_mixture[k] > 0 ? rest / job->products[k][k] : 0;
        }
}

/* Scale the files and give them their names. */
static int finish(job_t *job)
{
    double gains[MOST];
    char part[PATH];
    int done = 1;
    fit_gains(job, gains);
    for (int64_t k = 0; k < job->n_src; k++) {
        int written = wav_finish(&job->out[k], isfinite((float)gains[k]) ? (float)gains[k] : 0.0f);
        job->out[k].file = NULL;
        part_path(part, job->paths[k]);
        if (!written || rename(part, job->paths[k]))
            done = fail(job->paths[k], "it cannot be written; is the disk full?");
    }
    return done;
}

static int run(job_t *job, const char *model, const char *in, int outputs)
{
    char part[PATH];
    const char *fault;
    if (!open_model(job, model))
        return 0;
    job->n_src = separator_n_src(job->separator);
    if (job->n_src != outputs)
        return fail(model, "it separates another number of talkers than there are outputs");
    fault = wav_open(&job->in, in);
    if (fault) {
        job->in.file = NULL;
        return fail(in, fault);
    }
    if (job->in.rate != separator_sample_rate(job->separator))
        return fail(in, "its sample rate is not the model's; resample it, or use spiking-tasnet separate");
    job->kept = separator_latency(job->separator) + BLOCK + 1;
    job->mixture = calloc((size_t)job->kept, sizeof(float));
    job->sources = malloc(sizeof(float) * BLOCK * (size_t)job->n_src);
    if (!job->mixture || !job->sources)
        return fail(in, "not enough memory; close other programs");
    for (int64_t k = 0; k < job->n_src; k++) {
        if (strlen(job->paths[k]) + 6 > PATH)
            return fail(job->paths[k], "the name is too long");
        part_path(part, job->paths[k]);
        if ((fault = wav_create(&job->out[k], part, job->in.rate)))
            return fail(job->paths[k], fault);
    }
    return separate(job, in) && finish(job);
}

int main(int argc, char **argv)
{
    const char *model = "sep.stn";
    job_t job = {.kept = 0};
    if (argc > 2 && !strcmp(argv[1], "-m")) {
        model = argv[2];
        argv += 2;
        argc -= 2;
    }
    if (argc < 3 || argc - 2 > MOST || argv[1][0] == '-') {
        fputs(usage, stderr);
        return 2;
    }
    clock_t began = clock();
    job.paths = (const char *const *)argv + 2;
    int done = run(&job, model, argv[1], argc - 2);
    if (done) {
        double seconds = (double)job.taken / job.in.rate, spent = (double)(clock() - began) / CLOCKS_PER_SEC;
        printf("%.2f s of audio in %.3f s, real-time factor %.4f, latency %.1f ms, %.1f MB\n", seconds, spent,
               spent / seconds, 1e3 * (double)separator_latency(job.separator) / job.in.rate,
               1e-6 * (double)separator_memory(job.separator));
    }
    for (int64_t k = 0; k < MOST; k++)
        if (job.out[k].file) {
            char part[PATH];
            fclose(job.out[k].file);
            part_path(part, job.paths[k]);
            remove(part);
        }
    if (job.in.file)
        fclose(job.in.file);
    free(job.mixture);
    free(job.sources);
    separator_close(job.separator);
    return done ? 0 : 1;
}
