/* Threads that close files. Must never keep more descriptors than CLOSER_KEPT_MAX, nor hold one for
 * good. */
#include "spool/closer.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>

#define BATCH ((size_t)8)
#define WAITING_MAX (8 * BATCH)
#define THREADS_MAX 16 /* they wait for a device, not for a processor */

_Static_assert(BATCH + WAITING_MAX + THREADS_MAX * BATCH == CLOSER_KEPT_MAX, "the stated bound");

struct Closer {
    int gathering[BATCH]; /* the caller's alone */
    size_t n_gathering;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int waiting[WAITING_MAX]; /* for a thread; under the mutex, as is `ending` */
    size_t n_waiting;
    bool ending;
    pthread_t threads[THREADS_MAX]; /* the caller's alone */
    size_t n_threads;
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

/* Waits for something to close. Returns how many there are in `fds`; 0: the end. */
static size_t wait_for_batch(Closer *closer, int fds[static BATCH])
{
    size_t n;

    pthread_mutex_lock(&closer->mutex);
    while (closer->n_waiting == 0 && !closer->ending)
        pthread_cond_wait(&closer->changed, &closer->mutex);
    n = MIN(closer->n_waiting, BATCH);
    closer->n_waiting -= n;
    memcpy(fds, closer->waiting + closer->n_waiting, n * sizeof(int));
    pthread_mutex_unlock(&closer->mutex);
    return n;
}

static void *run(void *user)
{
    int fds[BATCH];
    size_t n;

    while ((n = wait_for_batch(user, fds)) > 0)
        close_all(fds, n);
    return NULL;
}

/* The threads take no signal: those are the caller's. */
static void start_thread(Closer *closer)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&closer->threads[closer->n_threads], NULL, run, closer) == 0)
        closer->n_threads++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* Hands the gathered ones to the threads. False when these have as much to do as they may. */
static bool hand_over(Closer *closer)
{
    bool fits;

    pthread_mutex_lock(&closer->mutex);
    fits = closer->n_waiting + closer->n_gathering <= WAITING_MAX;
    if (fits) {
        memcpy(closer->waiting + closer->n_waiting, closer->gathering,
            closer->n_gathering * sizeof(int));
        closer->n_waiting += closer->n_gathering;
        pthread_cond_signal(&closer->changed);
    }
    pthread_mutex_unlock(&closer->mutex);
    return fits;
}

void closer_take(Closer *closer, int fd)
{
    closer->gathering[closer->n_gathering++] = fd;
    if (closer->n_gathering < BATCH)
        return;
    if (closer->n_threads > 0 && hand_over(closer)) {
        closer->n_gathering = 0;
        return;
    }
    /* They do not keep up, or there is none yet. */
    if (closer->n_threads < THREADS_MAX)
        start_thread(closer);
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
    pthread_mutex_lock(&closer->mutex);
    closer->ending = true;
    pthread_cond_broadcast(&closer->changed);
    pthread_mutex_unlock(&closer->mutex);
    for (size_t i = 0; i < closer->n_threads; i++)
        pthread_join(closer->threads[i], NULL);
    pthread_cond_destroy(&closer->changed);
    pthread_mutex_destroy(&closer->mutex);
    free(closer);
}
