/* A thread that closes files. Must never keep more descriptors than two batches, nor hold one for
 * good. */
#include "spool/closer.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>

#define BATCH 16

struct Closer {
    int gathering[BATCH]; /* the caller's alone */
    size_t n_gathering;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int batch[BATCH]; /* the thread's next; under the mutex */
    size_t n_batch;
    bool started, ending;
    pthread_t thread;
};

int closer_new(Closer **ret)
{
    Closer *closer = calloc(1, sizeof(Closer));

    if (!closer)
        return -ENOMEM;
    pthread_mutex_init(&closer->mutex, NULL);
    pthread_cond_init(&closer->changed, NULL);
    *ret = closer;
    return 0;
}

static void close_all(const int *fds, size_t n)
{
    for (size_t i = 0; i < n; i++)
        (void)close(fds[i]);
}

static void *run(void *user)
{
    Closer *closer = user;
    int fds[BATCH];
    size_t n;

    for (;;) {
        pthread_mutex_lock(&closer->mutex);
        while (closer->n_batch == 0 && !closer->ending)
            pthread_cond_wait(&closer->changed, &closer->mutex);
        n = closer->n_batch;
        memcpy(fds, closer->batch, n * sizeof(int));
        closer->n_batch = 0;
        pthread_mutex_unlock(&closer->mutex);
        if (n == 0)
            return NULL;
        close_all(fds, n);
    }
}

/* The thread takes no signal: those are the caller's. */
static bool start(Closer *closer)
{
    sigset_t all, before;

    if (closer->started)
        return true;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    closer->started = pthread_create(&closer->thread, NULL, run, closer) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return closer->started;
}

/* Hands the gathered ones to the thread, unless it is still busy with those before. */
static bool hand_over(Closer *closer)
{
    bool free_now;

    if (!start(closer))
        return false;
    pthread_mutex_lock(&closer->mutex);
    free_now = closer->n_batch == 0;
    if (free_now) {
        memcpy(closer->batch, closer->gathering, closer->n_gathering * sizeof(int));
        closer->n_batch = closer->n_gathering;
        pthread_cond_signal(&closer->changed);
    }
    pthread_mutex_unlock(&closer->mutex);
    return free_now;
}

void closer_take(Closer *closer, int fd)
{
    closer->gathering[closer->n_gathering++] = fd;
    if (closer->n_gathering < BATCH)
        return;
    if (hand_over(closer))
        closer->n_gathering = 0;
    else
        closer_flush(closer);
}

void closer_flush(Closer *closer)
{
    close_all(closer->gathering, closer->n_gathering);
    closer->n_gathering = 0;
}

void closer_free(Closer *closer)
{
    if (!closer)
        return;
    closer_flush(closer);
    if (closer->started) {
        pthread_mutex_lock(&closer->mutex);
        closer->ending = true;
        pthread_cond_signal(&closer->changed);
        pthread_mutex_unlock(&closer->mutex);
        pthread_join(closer->thread, NULL);
    }
    pthread_mutex_destroy(&closer->mutex);
    pthread_cond_destroy(&closer->changed);
    free(closer);
}
