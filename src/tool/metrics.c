/* outbox metrics: the queue and its daemons in figures, for Prometheus and what reads as it does.
 */
#include "tool/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/file.h"
#include "base/text.h"
#include "queue/first_due.h"
#include "tool/command.h"
#include "tool/metrics_options.h"

typedef struct Asked {
    const Tool *tool;
    const char *directory; /* NULL: the configured one */
    const char *output;    /* NULL: standard output */
    bool http, open;
} Asked;

/* ---- looking ---- */

/* Names and a look at each inode, and no record: of a long queue as well. */
static void count(const Spool *spool, const SpoolEntry *entry, Metrics *m)
{
    struct stat st;
    usec_t time;

    if (spool_look_at(spool, entry->id, entry->state, &st) < 0)
        return; /* gone meanwhile */
    time = (usec_t)st.st_mtim.tv_sec * USEC_PER_SEC + (usec_t)st.st_mtim.tv_nsec / 1000;
    m->messages[entry->state]++;
    m->bytes[entry->state] += (uint64_t)st.st_size;
    (void)queue_waits_longer(spool, entry, time, &m->oldest);
}

static int count_all(const Spool *spool, Metrics *m)
{
    _cleanup_(spool_scan_free_p) SpoolScan *scan = NULL;
    _cleanup_failure_ Failure f = {0};
    SpoolEntry entry;
    int r;

    if (spool_scan_new(spool, &scan, &f) < 0)
        return tool_fail(&f);
    while ((r = spool_scan_next_all(scan, &entry)) > 0) {
        if (r == 1)
            count(spool, &entry, m);
        m->strangers += r == 5;
    }
    return r < 0 ? tool_fail_queue(spool, r) : 0;
}

int metrics_gather(const Spool *spool, Metrics *ret)
{
    int status = count_all(spool, ret);

    if (status != 0)
        return status;
    if (servers_look(spool, &ret->servers) < 0)
        return tool_fail_memory();
    ret->now = clock_realtime();
    return 0;
}

void metrics_done(Metrics *metrics)
{
    servers_done(&metrics->servers);
}

/* Either form is NULL where it is not wanted. */
static int gather_text(const Asked *asked, Buffer *open, Buffer *text)
{
    _cleanup_(spool_free_p) Spool *spool = NULL;
    _cleanup_(metrics_done) Metrics metrics = {0};
    int status = tool_open_spool_to_read(asked->tool, asked->directory, &spool);

    if (status == 0)
        status = metrics_gather(spool, &metrics);
    if (status != 0)
        return status;
    if ((open && metrics_format(&metrics, true, open) < 0) ||
        (text && metrics_format(&metrics, false, text) < 0))
        return tool_fail_memory();
    return 0;
}

/* ---- writing ---- */

static int fail_to_write(const char *path, int error)
{
    return tool_fail_number(
        ERROR_FILE, "cannot write %s: %s; nothing of it was changed", path, strerror(-error));
}

/* Whoever reads the file finds a whole one, the former or this. The name that it has meanwhile does
 * not end with ".prom", which alone node_exporter reads. */
static int write_file(const char *path, const Buffer *text)
{
    _cleanup_close_ int fd = -1;
    _cleanup_free_
    char *name = NULL;
    int r = 0;

    if (asprintf(&name, "%s.XXXXXX", path) < 0) {
        name = NULL;
        return tool_fail_memory();
    }
    fd = mkostemp(name, O_CLOEXEC);
    if (fd < 0)
        return fail_to_write(path, -errno);
    r = file_write_all(fd, buffer_data(text), buffer_size(text));
    if (r >= 0 && (fchmod(fd, 0644) < 0 || rename(name, path) < 0))
        r = -errno;
    if (r < 0)
        (void)unlink(name);
    return r < 0 ? fail_to_write(path, r) : 0;
}

static int print(const Asked *asked)
{
    _cleanup_buffer_ Buffer text = {0};
    int status = gather_text(asked, asked->open ? &text : NULL, asked->open ? NULL : &text);

    if (status != 0)
        return status;
    if (asked->output)
        return write_file(asked->output, &text);
    (void)fwrite(buffer_data(&text), 1, buffer_size(&text), stdout);
    return EX_OK;
}

/* ---- the command ---- */

static int gather_for_http(void *user, Buffer *ret_open, Buffer *ret_text)
{
    return gather_text(user, ret_open, ret_text);
}

static int read_format(const Command *command, const char *word, bool *ret_open)
{
    *ret_open = text_equal(word, "openmetrics");
    return *ret_open || text_equal(word, "text")
               ? 0
               : tool_usage(command, "--format is openmetrics or text, not '%s'", word);
}

int run_metrics(const Tool *tool, const Command *command, int argc, char **argv)
{
    Asked asked = {.tool = tool};
    const char *format = NULL;
    int c, status;

    while ((c = tool_getopt(command, argc, argv)) >= 0)
        switch (c) {
        case 'd': asked.directory = optarg; break;
        case 'o': asked.output = optarg; break;
        case METRICS_FORMAT: format = optarg; break;
        case METRICS_HTTP: asked.http = true; break;
        case 'h': return tool_help(command);
        default: return EX_USAGE;
        }
    if (optind < argc)
        return tool_usage(command, "%s: no argument is wanted", argv[optind]);
    if (asked.http && (asked.output || format))
        return tool_usage(command, "--http does not go with --output and --format");
    status = read_format(command, format ?: asked.output ? "text" : "openmetrics", &asked.open);
    if (status != 0)
        return status;
    if (asked.http)
        metrics_serve(gather_for_http, &asked);
    return print(&asked);
}
