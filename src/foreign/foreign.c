/* Going through a queue of another system. Must never change one, but where a message of it is to
 * be removed. */
#include "foreign/foreign.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/errors.h"
#include "base/file.h"
#include "foreign/format.h"

static const FormatOps *const formats[FOREIGN_FORMAT_MAX] = {
    [FOREIGN_NULLMAILER] = &format_nullmailer,
    [FOREIGN_MSMTPQ] = &format_msmtpq,
    [FOREIGN_DMA] = &format_dma,
    [FOREIGN_BSMTP] = &format_bsmtp,
    [FOREIGN_EML] = &format_eml,
    [FOREIGN_POSTFIX] = &format_postfix,
};

/* Folders of folders: Postfix has two levels. */
#define DEPTH_MAX 4

typedef struct FoundFile {
    char *path;
    const char *fault; /* why it is not read; NULL: it is */
    bool has_names;    /* hard links */
    dev_t device;
    ino_t inode;
} FoundFile;

struct ForeignQueue {
    const FormatOps *ops;
    FoundFile *found; /* of messages, in the order of their names */
    size_t n, next;
    char *name;    /* of the message that was read last */
    Reader stream; /* of a format that has many messages in a file */
};

const char *foreign_format_name(ForeignFormat format)
{
    return format < FOREIGN_FORMAT_MAX ? formats[format]->name : NULL;
}

ForeignFormat foreign_format_find(const char *name)
{
    ForeignFormat format = 0;

    while (format < FOREIGN_FORMAT_MAX && strcmp(formats[format]->name, name) != 0)
        format++;
    return format;
}

/* ---- what formats share ---- */

int format_rest(ForeignMessage *message, Buffer *out, Failure *f)
{
    int r = reader_take(message->content, out);

    return r < 0 ? failure_set_errno(f, r, "cannot read the message") : r;
}

int format_open(const char *path, Failure *f)
{
    int fd = file_open(AT_FDCWD, path, FILE_NO_PIPE);

    return fd < 0 ? failure_set(f, fd, ERROR_FILE, "cannot open %s: %s", path, file_trouble(fd))
                  : fd;
}

int format_line_failure(const Reader *reader, int error, Failure *f)
{
    size_t line = reader->lines + 1;

    if (error == -E2BIG)
        return failure_set(f, -EBADMSG, ERROR_MESSAGE,
            "line %zu, in front of the message, is longer than %d bytes", line, READER_LINE_MAX);
    if (error == -EILSEQ)
        return failure_set(f, -EBADMSG, ERROR_MESSAGE, "line %zu holds a NUL", line);
    return failure_set_errno(f, error, "cannot read it");
}

/* ---- finding files ---- */

/* With `fault` it is not read, and that is told of it. */
static int add_path(ForeignQueue *queue, const char *path, const struct stat *st, const char *fault)
{
    FoundFile *found = reallocarray(queue->found, queue->n + 1, sizeof(FoundFile));

    if (!found)
        return -ENOMEM;
    queue->found = found;
    found[queue->n] = (FoundFile){.path = strdup(path),
        .fault = fault,
        .has_names = st->st_nlink > 1,
        .device = st->st_dev,
        .inode = st->st_ino};
    return found[queue->n].path ? (int)queue->n++ : -ENOMEM;
}

/* What is not read of that name; NULL: it is. No system makes such files of its own, and one that
 * somebody else has put there may lead anywhere. */
static const char *find_fault(const ForeignQueue *queue, const struct stat *st)
{
    if (S_ISLNK(st->st_mode))
        return "it is a symbolic link, which is not followed; give the path of the message itself";
    if (!S_ISREG(st->st_mode))
        return "it is not a regular file, and not read";
    for (size_t i = 0; st->st_nlink > 1 && i < queue->n; i++)
        if (queue->found[i].has_names && queue->found[i].device == st->st_dev &&
            queue->found[i].inode == st->st_ino)
            return "it is another name (a hard link) of a message that has been looked at already; "
                   "it is one message";
    return NULL;
}

static int look_through(ForeignQueue *queue, const char *path, unsigned depth, Failure *f);

static int add_entry(
    ForeignQueue *queue, const char *path, const char *name, unsigned depth, Failure *f)
{
    _cleanup_free_
    char *whole = NULL;
    struct stat st;

    if (name[0] == '.')
        return 0;
    if (asprintf(&whole, "%s/%s", path, name) < 0)
        return -ENOMEM;
    if (lstat(whole, &st) < 0)
        return errno == ENOENT ? 0 : failure_set_errno(f, -errno, "cannot look at %s", whole);
    if (S_ISDIR(st.st_mode))
        return depth > 0 ? look_through(queue, whole, depth - 1, f) : 0;
    return queue->ops->is_message(name) ? add_path(queue, whole, &st, find_fault(queue, &st)) : 0;
}

static int look_through(ForeignQueue *queue, const char *path, unsigned depth, Failure *f)
{
    struct dirent **entries;
    int n = scandir(path, &entries, NULL, alphasort), r = 0;

    if (n < 0)
        return failure_set_errno(f, -errno, "cannot list %s", path);
    for (int i = 0; i < n; i++) {
        if (r >= 0)
            r = add_entry(queue, path, entries[i]->d_name, depth, f);
        free(entries[i]);
    }
    free(entries);
    return r;
}

/* The folders of the format that are there; the directory itself where there is none. */
static int look_in_folders(ForeignQueue *queue, const char *path, Failure *f)
{
    unsigned depth = queue->ops->deep ? DEPTH_MAX : 0;
    bool any = false;
    int r = 0;

    for (const char *const *name = queue->ops->folders; r >= 0 && name && *name; name++) {
        _cleanup_free_
        char *folder = NULL;
        struct stat st;

        if (asprintf(&folder, "%s/%s", path, *name) < 0)
            return -ENOMEM;
        if (stat(folder, &st) < 0 || !S_ISDIR(st.st_mode))
            continue;
        any = true;
        r = look_through(queue, folder, depth, f);
    }
    return any || r < 0 ? r : look_through(queue, path, depth, f);
}

static int open_stream(ForeignQueue *queue, const char *path, Failure *f)
{
    queue->stream.fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : format_open(path, f);
    queue->name = strdup(path);
    return queue->stream.fd < 0 && queue->stream.fd != -1 ? queue->stream.fd
           : queue->stream.fd < 0 ? failure_set_errno(f, -errno, "cannot read standard input")
           : queue->name          ? 0
                                  : -ENOMEM;
}

static int open_files(ForeignQueue *queue, const char *path, Failure *f)
{
    struct stat st;
    int r;

    if (stat(path, &st) < 0)
        return failure_set_errno(f, -errno, "cannot look at %s", path);
    if (!S_ISDIR(st.st_mode))
        return add_path(queue, path, &st, NULL);
    r = queue->ops->look ? queue->ops->look(path, f) : 0;
    return r < 0 ? r : look_in_folders(queue, path, f);
}

int foreign_open(ForeignFormat format, const char *path, ForeignQueue **ret, Failure *f)
{
    _cleanup_(foreign_close_p) ForeignQueue *queue = calloc(1, sizeof(ForeignQueue));
    int r;

    if (!queue)
        return failure_set_errno(f, -ENOMEM, "cannot read %s", path);
    queue->ops = formats[format];
    queue->stream.fd = -1;
    r = queue->ops->next ? open_stream(queue, path, f) : open_files(queue, path, f);
    if (r == -ENOMEM)
        return failure_set_errno(f, r, "cannot read %s", path);
    if (r >= 0)
        *ret = TAKE_PTR(queue);
    return MIN(r, 0);
}

void foreign_close(ForeignQueue *queue)
{
    if (!queue)
        return;
    for (size_t i = 0; i < queue->n; i++)
        free(queue->found[i].path);
    free(queue->found);
    free(queue->name);
    reader_done(&queue->stream);
    free(queue);
}

/* ---- messages ---- */

static void forget(ForeignMessage *message)
{
    envelope_done(&message->envelope);
    message->envelope = (Envelope){0};
    free(message->recipient_parameters);
    message->recipient_parameters = NULL;
    reader_done(&message->own);
    message->own = (Reader){.fd = -1};
}

/* As FormatOps.read. */
static int read_file(ForeignQueue *queue, ForeignMessage *message, Failure *f)
{
    const FoundFile *file = &queue->found[queue->next++];
    const char *path = file->path;
    int r;

    free(queue->name);
    queue->name = strdup(path);
    if (file->fault)
        return failure_set(f, -EBADMSG, ERROR_MESSAGE, "%s", file->fault);
    message->own.fd = queue->name ? format_open(path, f) : -ENOMEM;
    if (message->own.fd == -ENOENT) /* delivered meanwhile */
        return 0;
    if (message->own.fd < 0) {
        r = message->own.fd;
        message->own.fd = -1;
        return r;
    }
    message->content = &message->own;
    r = queue->ops->read(path, message, f);
    if (r > 0 && !message->files[0])
        message->files[0] = strdup(path);
    return r > 0 && !message->files[0] ? -ENOMEM : r;
}

/* 1, 0 at the end, or a negative errno with a Failure. */
static int read_next(ForeignQueue *queue, ForeignMessage *message, Failure *f)
{
    int r;

    if (queue->ops->next) {
        message->content = &queue->stream;
        r = queue->ops->next(&queue->stream, message, f);
        return r < 0 ? -ECANCELED : r;
    }
    do {
        if (queue->next >= queue->n)
            return 0;
        forget(message);
        r = read_file(queue, message, f);
    } while (r == 0);
    return r;
}

int foreign_next(ForeignQueue *queue, ForeignMessage **ret, const char **ret_name, Failure *f)
{
    _cleanup_(foreign_message_free_p) ForeignMessage *message = calloc(1, sizeof(ForeignMessage));
    int r;

    if (!message)
        return failure_set_errno(f, -ECANCELED, "cannot read the next message");
    message->ops = queue->ops;
    message->own.fd = -1;
    r = read_next(queue, message, f);
    if (r == -ENOMEM)
        r = failure_set_errno(f, r, "cannot read the message");
    *ret_name = queue->name;
    if (r > 0)
        *ret = TAKE_PTR(message);
    return r;
}

void foreign_message_free(ForeignMessage *message)
{
    if (!message)
        return;
    forget(message);
    for (size_t i = 0; i < ELEMENTSOF(message->files); i++)
        free(message->files[i]);
    free(message);
}

const Envelope *foreign_envelope(const ForeignMessage *message)
{
    return &message->envelope;
}

const char *foreign_recipient_parameters(const ForeignMessage *message)
{
    return message->recipient_parameters;
}

int foreign_read(void *message, Buffer *out, Failure *f)
{
    ForeignMessage *m = message;
    int r = m->ended ? 0 : m->ops->content(m, out, f);

    m->ended |= r <= 0;
    return r == -ENOMEM ? failure_set_errno(f, r, "cannot read the message") : r;
}

int foreign_remove(ForeignMessage *message, Failure *f)
{
    for (size_t i = 0; i < ELEMENTSOF(message->files); i++)
        if (message->files[i] && unlink(message->files[i]) < 0 && errno != ENOENT)
            return failure_set_errno(f, -errno, "cannot remove %s", message->files[i]);
    return 0;
}
