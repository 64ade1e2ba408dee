/* nullmailer's queue: a file's first line is the sender, then comes a recipient a line, then an
 * empty line, then the message. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/errors.h"
#include "foreign/format.h"

static bool is_message(const char *name)
{
    return name[0] >= '0' && name[0] <= '9'; /* TIME.PID */
}

/* nullmailer-send holds the FIFO that says there is work open for reading. The queue is named, or
 * the folder above it. */
static int look(const char *path, Failure *f)
{
    static const char *const places[] = {"trigger", "../trigger"};

    for (size_t i = 0; i < ELEMENTSOF(places); i++) {
        _cleanup_free_
        char *trigger = NULL;
        _cleanup_close_ int fd = -1;
        struct stat st;

        if (asprintf(&trigger, "%s/%s", path, places[i]) < 0)
            return -ENOMEM;
        if (stat(trigger, &st) < 0 || !S_ISFIFO(st.st_mode))
            continue;
        fd = open(trigger, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
        if (fd >= 0)
            return failure_set(f, -EBUSY, ERROR_FILE,
                "nullmailer-send is running and delivers this queue: stop it first, with "
                "systemctl stop nullmailer");
    }
    return 0;
}

static int read_envelope(const char *path _unused_, ForeignMessage *message, Failure *f)
{
    _cleanup_buffer_ Buffer line = {0};
    Envelope *e = &message->envelope;
    int r = reader_line(message->content, &line);

    if (r > 0)
        r = envelope_set_sender(e, buffer_data(&line), NULL, f) ?: 1;
    else if (r < 0)
        return format_line_failure(message->content, r, f);
    while (r > 0) {
        r = reader_line(message->content, &line);
        if (r < 0)
            return format_line_failure(message->content, r, f);
        if (r > 0 && buffer_size(&line) == 0)
            break;
        if (r > 0)
            r = envelope_add_recipient(e, buffer_data(&line), NULL, f) ?: 1;
    }
    if (r == 0)
        return failure_set(f, -EBADMSG, ERROR_MESSAGE,
            "it is no message of nullmailer: an envelope and an empty line are to begin it");
    if (r > 0 && e->n_recipients == 0)
        return failure_set(f, -EBADMSG, ERROR_NO_RECIPIENT, "its envelope names no recipient");
    return r;
}

const FormatOps format_nullmailer = {
    .name = "nullmailer",
    .folders = (const char *const[]){"queue", NULL},
    .is_message = is_message,
    .look = look,
    .read = read_envelope,
    .content = format_rest,
};
