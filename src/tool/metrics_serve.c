/* Answering who asks for the metrics by HTTP. Must never read what he says while it may still open
 * a file, nor wait for him without an end. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "tool/command.h"
#include "tool/confine.h"
#include "tool/metrics.h"
#include "tool/scrape.h"

#define ASKING_PATIENCE (3 * USEC_PER_SEC) /* for the first octet, and the request, each */
#define PATIENCE (10 * USEC_PER_SEC)       /* for the answer */
#define HEAD_MAX ((size_t)1024)
#define DRAIN_PATIENCE USEC_PER_SEC
#define DRAIN_MAX ((size_t)256 * 1024)

/* All that is asked for is there before the request is read. */
typedef struct Answers {
    Buffer open, text, request, head;
    char date[40];
    bool available;
} Answers;

/* 1, or 0 when the time is over. */
static int wait_for(int fd, short events, usec_t deadline)
{
    struct pollfd poll_fd = {.fd = fd, .events = events};
    int r;

    do {
        usec_t now = clock_monotonic();

        if (now >= deadline)
            return 0;
        r = poll(&poll_fd, 1, (int)((deadline - now) / 1000) + 1);
    } while (r == 0 || (r < 0 && errno == EINTR));
    return 1;
}

/* -1 at the end, and after an error. */
static ssize_t read_some(char *data, size_t n, usec_t deadline)
{
    for (;;) {
        ssize_t got;

        if (wait_for(STDIN_FILENO, POLLIN, deadline) == 0)
            return 0;
        got = read(STDIN_FILENO, data, n);
        if (got > 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
            return got;
        if (got == 0)
            return -1;
    }
}

static ScrapeKind read_request(Buffer *request, usec_t deadline)
{
    while (!scrape_is_complete(buffer_data(request), buffer_size(request))) {
        size_t left = SCRAPE_REQUEST_MAX - buffer_size(request);
        char *room = left > 0 ? buffer_reserve(request, left) : NULL;
        ssize_t n;

        if (!room)
            return SCRAPE_TOO_LARGE;
        n = read_some(room, left, deadline);
        if (n <= 0)
            return n == 0 ? SCRAPE_TOO_LATE : SCRAPE_WRONG;
        buffer_commit(request, (size_t)n);
    }
    return SCRAPE_METRICS;
}

/* False when whoever asked is gone, or takes nothing. */
static bool write_all(const char *data, size_t n, usec_t deadline)
{
    while (n > 0) {
        ssize_t r;

        if (wait_for(STDOUT_FILENO, POLLOUT, deadline) == 0)
            return false;
        r = write(STDOUT_FILENO, data, n);
        if (r < 0 && errno != EAGAIN && errno != EINTR)
            return false;
        data += r > 0 ? r : 0;
        n -= r > 0 ? (size_t)r : 0;
    }
    return true;
}

/* A connection that is closed with something unread takes the answer away with it. */
static void drain(void)
{
    usec_t deadline = usec_add(clock_monotonic(), DRAIN_PATIENCE);
    char data[4096];
    ssize_t n = 1;

    (void)shutdown(STDOUT_FILENO, SHUT_WR);
    for (size_t all = 0; n > 0 && all < DRAIN_MAX; all += (size_t)n)
        n = read_some(data, sizeof(data), deadline);
}

static bool answer(Answers *a, usec_t deadline)
{
    Scrape scrape = {.kind = read_request(&a->request, deadline)};
    const char *words;
    Buffer *content;

    if (scrape.kind == SCRAPE_METRICS)
        scrape = scrape_parse(buffer_data(&a->request), buffer_size(&a->request));
    if (scrape.kind == SCRAPE_METRICS && !a->available)
        scrape.kind = SCRAPE_UNAVAILABLE;
    content = scrape.open ? &a->open : &a->text;
    words = scrape_words(scrape.kind);
    if (scrape.kind != SCRAPE_METRICS) {
        buffer_clear(content);
        if (buffer_append_string(content, words) < 0)
            return false;
    }
    if (scrape_format_head(&scrape, a->date, buffer_size(content), &a->head) < 0)
        return false;
    deadline = usec_add(clock_monotonic(), PATIENCE);
    return write_all(buffer_data(&a->head), buffer_size(&a->head), deadline) &&
           (scrape.head || write_all(buffer_data(content), buffer_size(content), deadline));
}

/* "Sun, 06 Nov 1994 08:49:37 GMT", English in every locale. */
static void format_date(char text[static 40])
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t now = time(NULL);
    struct tm tm;

    gmtime_r(&now, &tm);
    (void)snprintf(text, 40, "%.3s, %02d %.3s %d %02d:%02d:%02d GMT", days + 3 * tm.tm_wday,
        tm.tm_mday, months + 3 * tm.tm_mon, tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* What waits for its room, and not for a peer. */
static void stop_blocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags >= 0)
        (void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

/* Memory for what may come; none can be had later. */
static bool reserve(Answers *a)
{
    return buffer_reserve(&a->request, SCRAPE_REQUEST_MAX) && buffer_reserve(&a->head, HEAD_MAX) &&
           buffer_reserve(&a->open, HEAD_MAX) && buffer_reserve(&a->text, HEAD_MAX);
}

/* Who connects and says nothing costs no look at the queue. */
void metrics_serve(MetricsGather gather, void *user)
{
    usec_t deadline = usec_add(clock_monotonic(), ASKING_PATIENCE);
    Answers answers = {0};
    bool done;

    stop_blocking(STDIN_FILENO);
    stop_blocking(STDOUT_FILENO);
    if (wait_for(STDIN_FILENO, POLLIN, deadline) == 1) {
        answers.available = gather(user, &answers.open, &answers.text) == 0;
        deadline =
            usec_add(clock_monotonic(), ASKING_PATIENCE); /* what that took is not the client's */
    }
    format_date(answers.date);
    if (!reserve(&answers))
        _exit(tool_fail_memory());
    confine_to_descriptors();
    done = answer(&answers, deadline);
    if (done)
        drain();
    _exit(done ? EX_OK : EX_TEMPFAIL); /* the handlers of exit(3) could do nothing any more */
}
