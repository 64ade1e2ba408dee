/* dma's queue: of each recipient there is a file Q<id>, of lines such as "Recipient: a@b", and the
 * message, which those of other recipients share, as M<id>. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "base/errors.h"
#include "base/text.h"
#include "foreign/format.h"

static bool is_message(const char *name)
{
    return name[0] == 'Q';
}

/* The value behind such a name; NULL: it is another line. */
static const char *value_of(const char *line, const char *name)
{
    if (!text_starts_nocase(line, name))
        return NULL;
    line += strlen(name);
    return line + strspn(line, " \t");
}

static int read_queue_file(ForeignMessage *message, Failure *f)
{
    _cleanup_buffer_ Buffer line = {0};
    Envelope *e = &message->envelope;
    int r;

    while ((r = reader_line(message->content, &line)) > 0) {
        const char *sender = value_of(buffer_data(&line), "Sender:");
        const char *recipient = value_of(buffer_data(&line), "Recipient:");
        int error = sender      ? envelope_set_sender(e, sender, NULL, f)
                    : recipient ? envelope_add_recipient(e, recipient, NULL, f)
                                : 0;

        if (error < 0)
            return error;
    }
    if (r < 0)
        return format_line_failure(message->content, r, f);
    if (!e->sender || e->n_recipients == 0)
        return failure_set(f, -EBADMSG, ERROR_MESSAGE,
            "it is no queue file of dma: it has no line Sender: or none Recipient:");
    return 1;
}

/* A message that dma delivers now is locked. */
static int read_pair(const char *path, ForeignMessage *message, Failure *f)
{
    const char *slash = strrchr(path, '/');
    size_t folder = slash ? (size_t)(slash - path) + 1 : 0;
    int r;

    if (flock(message->own.fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK)
        return failure_set(f, -EAGAIN, ERROR_FILE, "dma is delivering it");
    r = read_queue_file(message, f);
    if (r < 0)
        return r;
    message->files[0] = strdup(path);
    if (!message->files[0] ||
        asprintf(&message->files[1], "%.*sM%s", (int)folder, path, path + folder + 1) < 0)
        return -ENOMEM;
    reader_done(&message->own);
    message->own = (Reader){.fd = format_open(message->files[1], f)};
    return message->own.fd < 0 ? message->own.fd : 1;
}

const FormatOps format_dma = {
    .name = "dma",
    .is_message = is_message,
    .read = read_pair,
    .content = format_rest,
};
