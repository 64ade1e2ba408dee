/* outbox metrics: the queue and its daemons in figures, for Prometheus and what reads as it does.
 */
#include "tool/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/file.h"
#include "base/text.h"
#include "tool/command.h"
#include "tool/metrics_options.h"

typedef struct Asked {
    const Tool *tool;
    const char *directory; /* NULL: the configured one */
    const char *output;    /* NULL: standard output */
    bool http, open;
} Asked;

/* ---- looking ---- */

static int metrics_gather(Store *store, Metrics *ret)
{
    _cleanup_failure_ Failure f = {0};

    if (store->ops->figures(store, &ret->queue, &f) < 0 ||
        store->ops->servers(store, &ret->servers, &f) < 0)
        return tool_fail(&f);
    ret->now = clock_realtime();
    return 0;
}

static void metrics_done(Metrics *metrics)
{
    store_figures_done(&metrics->queue);
    servers_done(&metrics->servers);
}

/* Either form is NULL where it is not wanted. */
static int gather_text(const Asked *asked, Buffer *open, Buffer *text)
{
    _cleanup_(store_free_p) Store *store = NULL;
    _cleanup_(metrics_done) Metrics metrics = {0};
    int status = store_open_to_read(asked->tool, asked->directory, &store);

    if (status == 0)
        status = metrics_gather(store, &metrics);
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
