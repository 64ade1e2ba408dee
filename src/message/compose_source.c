/* Files, descriptors, callbacks and memory, read in pieces. Must never pass over that a file has
 * changed while it was read: half of the old and half of the new is neither. */
#include "message/compose_source.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/errors.h"
#include "base/file.h"
#include "base/text.h"
#include "message/field.h"

#define PIECE_BYTES ((size_t)48 * 1024)
#define SAMPLE_BYTES ((size_t)1024 * 1024) /* of what can be read once only */

/* ---- what a text is made of ---- */

/* The characters of `n` bytes, the last of which may be there in part. */
static void add_characters(TextShape *shape, const char *data, size_t n)
{
    while (n > 0 && !shape->is_broken) {
        size_t size = text_character(data, n);

        if (size == 0 && n < sizeof(shape->open)) {
            memcpy(shape->open, data, n);
            shape->n_open = n;
            return;
        }
        shape->is_broken = size == 0;
        data += size, n -= size;
    }
}

/* Goes on with a character that began with the bytes before. Returns how many belong to it. */
static size_t close_character(TextShape *shape, const char *data, size_t n)
{
    char joined[2 * sizeof(shape->open)];
    size_t n_open = shape->n_open, more = MIN(n, sizeof(shape->open)), size;

    memcpy(joined, shape->open, n_open);
    memcpy(joined + n_open, data, more);
    size = text_character(joined, n_open + more);
    if (size > n_open) {
        shape->n_open = 0;
        return size - n_open;
    }
    if (size > 0 || n_open + more >= sizeof(shape->open)) {
        shape->is_broken = true;
        return 0;
    }
    memcpy(shape->open, joined, n_open + more);
    shape->n_open = n_open + more;
    return more;
}

static void add_byte(TextShape *shape, unsigned char c)
{
    if (shape->last_was_cr && c != '\n')
        shape->has_cr = true;
    shape->last_was_cr = c == '\r';
    shape->others += c >= 0x80;
    shape->has_nul |= c == '\0';
    if (c == '\n') {
        shape->line = 0;
        return;
    }
    shape->line += c != '\r' || shape->has_cr;
    shape->has_long_lines |= shape->line > FIELD_LINE_MAX;
}

void text_shape_add(TextShape *shape, const char *data, size_t n)
{
    size_t taken = 0;

    shape->n += n;
    for (size_t i = 0; i < n; i++)
        add_byte(shape, (unsigned char)data[i]);
    if (shape->n_open > 0 && !shape->is_broken && n > 0)
        taken = close_character(shape, data, n);
    add_characters(shape, data + taken, n - taken);
}

void text_shape_finish(TextShape *shape)
{
    shape->has_cr |= shape->last_was_cr;
    shape->is_broken |= shape->n_open > 0;
}

/* ---- failures ---- */

static const char *name_of(const SourceReader *reader)
{
    if (reader->source.path)
        return reader->source.path;
    return reader->source.origin == COMPOSE_MEMORY ? "" : "(a stream)";
}

int source_fail(const SourceReader *reader, int number, const char *words, Failure *f)
{
    const char *name = name_of(reader);

    return failure_set(
        f, -EBADMSG, number, "%s%s%s%s", reader->what, *name ? " " : "", name, words);
}

/* What is no fault of the file's, such as too few descriptors, has a number of its own: it is worth
 * another try. */
static int fail_errno(const SourceReader *reader, int error, Failure *f)
{
    if (error == -ENOMEM)
        return error;
    return failure_set(f, -EBADMSG,
        reader->number && !error_is_common(error) ? reader->number : error_from_errno(error),
        "cannot read %s %s: %s", reader->what, name_of(reader), file_trouble(error));
}

static int fail_size(const SourceReader *reader, Failure *f)
{
    return source_fail(reader, reader->number ?: ERROR_FILE,
        " is larger than 1 GiB, which no relay takes: put it where it can be fetched, and send "
        "the link",
        f);
}

/* ---- opening ---- */

static int look_at_file(SourceReader *reader, Failure *f)
{
    off_t at;

    if (fstat(reader->fd, &reader->found) < 0)
        return fail_errno(reader, -errno, f);
    if (S_ISDIR(reader->found.st_mode))
        return fail_errno(reader, -EISDIR, f);
    /* What the kernel makes up has no size, and no content before it is read. */
    reader->is_regular = S_ISREG(reader->found.st_mode) && reader->found.st_size > 0;
    if (!reader->is_regular)
        return 0;
    at = lseek(reader->fd, 0, SEEK_CUR);
    if (at < 0)
        return fail_errno(reader, -errno, f);
    reader->start = (uint64_t)at;
    return reader->found.st_size - at > (off_t)COMPOSE_FILE_MAX ? fail_size(reader, f) : 0;
}

int source_open(
    SourceReader *reader, const ComposeSource *source, const char *what, int number, Failure *f)
{
    int r = 0;

    *reader = (SourceReader){.source = *source, .what = what, .number = number, .fd = -1};
    if (source->origin == COMPOSE_NOTHING)
        reader->source.origin = COMPOSE_MEMORY;
    if (source->origin == COMPOSE_MEMORY && source->n > COMPOSE_FILE_MAX)
        return fail_size(reader, f);
    if (source->origin == COMPOSE_DESCRIPTOR)
        reader->fd = source->fd;
    if (source->origin == COMPOSE_FILE) {
        reader->fd =
            file_open(AT_FDCWD, source->path, source->waits ? FILE_ANY_PIPE : FILE_NO_PIPE);
        if (reader->fd < 0)
            return fail_errno(reader, reader->fd, f);
        reader->owns_fd = true;
    }
    if (reader->fd >= 0)
        r = look_at_file(reader, f);
    if (r < 0)
        source_close(reader, false);
    return r;
}

void source_close(SourceReader *reader, bool closes)
{
    const ComposeSource *source = &reader->source;

    closes = closes && source->closes;
    if (reader->owns_fd || (closes && source->origin == COMPOSE_DESCRIPTOR && reader->fd >= 0))
        (void)close(reader->fd);
    if (closes && source->origin == COMPOSE_CALLBACK && source->close)
        source->close(source->user);
    buffer_done(&reader->ahead);
    *reader = (SourceReader){.fd = -1};
}

/* ---- reading ---- */

/* From wherever it is. How many bytes; a negative errno. */
static ssize_t read_some(SourceReader *reader, void *to, size_t n)
{
    const ComposeSource *source = &reader->source;
    ssize_t r;

    if (source->origin == COMPOSE_CALLBACK) {
        r = source->read(source->user, to, n);
        return r > (ssize_t)n ? -EOVERFLOW : r;
    }
    do
        r = read(reader->fd, to, n);
    while (r < 0 && errno == EINTR);
    return r < 0 ? -errno : r;
}

/* Whether a regular file is what it was when it was opened. */
static int check_unchanged(const SourceReader *reader, Failure *f)
{
    struct stat now;

    if (!reader->is_regular)
        return 0;
    if (fstat(reader->fd, &now) < 0)
        return fail_errno(reader, -errno, f);
    if (now.st_size == reader->found.st_size &&
        now.st_mtim.tv_sec == reader->found.st_mtim.tv_sec &&
        now.st_mtim.tv_nsec == reader->found.st_mtim.tv_nsec)
        return 0;
    return source_fail(reader, reader->number ?: ERROR_FILE,
        " has changed while it was read; wait until it is written, or give a copy", f);
}

static int read_piece(SourceReader *reader, Buffer *out, Failure *f)
{
    char *to = buffer_reserve(out, PIECE_BYTES);
    ssize_t n = to ? read_some(reader, to, PIECE_BYTES) : -ENOMEM;

    if (n < 0)
        return fail_errno(reader, (int)n, f);
    buffer_commit(out, (size_t)n);
    reader->n_read += (uint64_t)n;
    reader->ended = n == 0;
    if (reader->n_read > COMPOSE_FILE_MAX)
        return fail_size(reader, f);
    return reader->ended ? check_unchanged(reader, f) : 0;
}

static int read_memory(SourceReader *reader, Buffer *out)
{
    size_t n = MIN(reader->source.n - (size_t)reader->n_read, PIECE_BYTES);
    int r = n > 0 ? buffer_append(out, reader->source.data + reader->n_read, n) : 0;

    if (r >= 0)
        reader->n_read += n;
    return r;
}

int source_read(SourceReader *reader, Buffer *out, Failure *f)
{
    int r;

    if (reader->source.origin == COMPOSE_MEMORY)
        return read_memory(reader, out);
    if (buffer_size(&reader->ahead) > 0) {
        r = buffer_append(out, buffer_data(&reader->ahead), buffer_size(&reader->ahead));
        buffer_done(&reader->ahead);
        return r;
    }
    return reader->ended ? 0 : read_piece(reader, out, f);
}

int source_fill(SourceReader *reader, size_t n, Failure *f)
{
    int r = 0;

    if (reader->source.origin == COMPOSE_MEMORY) {
        while (r >= 0 && buffer_size(&reader->ahead) < n && reader->n_read < reader->source.n)
            r = read_memory(reader, &reader->ahead);
        return r;
    }
    while (r >= 0 && !reader->ended && buffer_size(&reader->ahead) < n)
        r = read_piece(reader, &reader->ahead, f);
    return r;
}

/* ---- looking ---- */

/* A regular file, from where reading begins, without moving its offset. */
static int look_through(SourceReader *reader, TextShape *shape, Failure *f)
{
    _cleanup_buffer_ Buffer piece = {0};
    char *to = buffer_reserve(&piece, PIECE_BYTES);
    uint64_t at = reader->start;
    ssize_t n = 1;

    if (!to)
        return -ENOMEM;
    while (n > 0 && at - reader->start <= COMPOSE_FILE_MAX) {
        do
            n = pread(reader->fd, to, PIECE_BYTES, (off_t)at);
        while (n < 0 && errno == EINTR);
        if (n < 0)
            return fail_errno(reader, -errno, f);
        text_shape_add(shape, to, (size_t)n);
        at += (uint64_t)n;
    }
    return 0;
}

static int peek_file(SourceReader *reader, size_t n, Buffer *out, Failure *f)
{
    char *to = buffer_reserve(out, n);
    ssize_t got;

    if (!to)
        return -ENOMEM;
    do
        got = pread(reader->fd, to, n, (off_t)reader->start);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return fail_errno(reader, -errno, f);
    buffer_commit(out, (size_t)got);
    return 0;
}

int source_peek(SourceReader *reader, size_t n, Buffer *out, Failure *f)
{
    const ComposeSource *source = &reader->source;
    int r;

    if (source->origin == COMPOSE_MEMORY)
        return source->n > 0 ? buffer_append(out, source->data, MIN(n, source->n)) : 0;
    if (reader->is_regular)
        return peek_file(reader, n, out, f);
    r = source_fill(reader, n, f);
    n = MIN(n, buffer_size(&reader->ahead));
    return r < 0 || n == 0 ? r : buffer_append(out, buffer_data(&reader->ahead), n);
}

int source_look(SourceReader *reader, TextShape *ret, bool *ret_whole, Failure *f)
{
    int r;

    *ret = (TextShape){0};
    *ret_whole = true;
    if (reader->source.origin == COMPOSE_MEMORY) {
        if (reader->source.n > 0)
            text_shape_add(ret, reader->source.data, reader->source.n);
    } else if (reader->is_regular) {
        r = look_through(reader, ret, f);
        if (r < 0)
            return r;
    } else {
        r = source_fill(reader, SAMPLE_BYTES, f);
        if (r < 0)
            return r;
        *ret_whole = reader->ended;
        if (buffer_size(&reader->ahead) > 0)
            text_shape_add(ret, buffer_data(&reader->ahead), buffer_size(&reader->ahead));
    }
    if (*ret_whole)
        text_shape_finish(ret);
    return 0;
}
