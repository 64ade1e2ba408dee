/* Putting a configuration's text together. Must never interpret a setting. */
#include "settings/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/errors.h"
#include "base/file.h"
#include "base/macros.h"
#include "base/text.h"

#define SOURCE_MAX_BYTES ((size_t)4 << 20)
#define INCLUDE_MAX_DEPTH 10

/* What a line starts in. */
typedef enum Inside {
    INSIDE_NOTHING,
    INSIDE_COMMENT,
    INSIDE_STRING,
} Inside;

static int load_file(
    Source *source, const char *path, unsigned depth, const SourceLine *from, Failure *f);

const SourceFile *source_locate(const Source *source, unsigned line, unsigned *ret_line)
{
    const SourceLine *found;

    if (source->n_lines == 0) {
        *ret_line = 1;
        return source->files;
    }
    found = &source->lines[MIN((size_t)MAX(line, 1u), source->n_lines) - 1];
    *ret_line = found->line;
    return &source->files[found->file];
}

static int add_line(Source *source, unsigned file, unsigned line)
{
    if ((source->n_lines & (source->n_lines + 1)) == 0) {
        SourceLine *lines =
            reallocarray(source->lines, 2 * (source->n_lines + 1), sizeof(*source->lines));

        if (!lines)
            return -ENOMEM;
        source->lines = lines;
    }
    source->lines[source->n_lines++] = (SourceLine){file, line};
    return 0;
}

/* Bytes of a whole number at `p`, when it is so long that libconfig needs an L behind it; else 0.
 */
static size_t long_number(const char *p, const char *end)
{
    size_t n = 0;

    while (p + n < end && p[n] >= '0' && p[n] <= '9')
        n++;
    return n >= 10 && (p + n == end || !strchr("Ll.eExX", p[n])) ? n : 0;
}

static bool is_name_byte(char c)
{
    return text_is_alphanumeric(c) || (c && strchr("_*.", c));
}

/* Copies a line, following strings and comments, which may go on over its end. */
static int copy_line(Source *source, const char *line, size_t n, Inside *inside)
{
    const char *end = line + n;

    for (const char *p = line; p < end;) {
        bool two = p + 1 < end;
        size_t step = 1, number = 0;

        if (*inside == INSIDE_COMMENT) {
            if (two && p[0] == '*' && p[1] == '/')
                *inside = INSIDE_NOTHING, step = 2;
        } else if (*inside == INSIDE_STRING) {
            if (two && *p == '\\')
                step = 2;
            else if (*p == '"')
                *inside = INSIDE_NOTHING;
        } else if (*p == '"') {
            *inside = INSIDE_STRING;
        } else if (two && p[0] == '/' && p[1] == '*') {
            *inside = INSIDE_COMMENT, step = 2;
        } else if (*p == '#' || (two && p[0] == '/' && p[1] == '/')) {
            step = (size_t)(end - p);
        } else if (p == line || !is_name_byte(p[-1])) {
            number = long_number(p, end);
            step = MAX(number, (size_t)1);
        }
        if (buffer_append(&source->text, p, step) < 0 ||
            (number > 0 && buffer_append(&source->text, "L", 1) < 0))
            return -ENOMEM;
        p += step;
    }
    return buffer_append(&source->text, "\n", 1);
}

/* The path in a line `@include "PATH"`: 1, 0 for another line, or -EINVAL. Caller frees. */
static int parse_include(const char *line, size_t n, char **ret)
{
    const char *p = line, *end = line + n, *close;

    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    if ((size_t)(end - p) < 8 || memcmp(p, "@include", 8) != 0)
        return 0;
    for (p += 8; p < end && (*p == ' ' || *p == '\t');)
        p++;
    if (p == end || *p != '"')
        return -EINVAL;
    close = memchr(p + 1, '"', (size_t)(end - p - 1));
    if (!close || close == p + 1)
        return -EINVAL;
    for (const char *rest = close + 1; rest < end; rest++)
        if (!strchr(" \t\r;", *rest))
            return -EINVAL;
    *ret = strndup(p + 1, (size_t)(close - p - 1));
    return *ret ? 1 : -ENOMEM;
}

/* A relative path is beside the including file. */
static char *beside(const char *including, const char *path)
{
    const char *slash = strrchr(including, '/');
    char *joined;

    if (*path == '/' || !slash)
        return strdup(path);
    return asprintf(&joined, "%.*s/%s", (int)(slash - including), including, path) < 0 ? NULL
                                                                                       : joined;
}

static int include(
    Source *source, const char *path, const SourceLine *from, unsigned depth, Failure *f)
{
    _cleanup_free_
    char *full = beside(source->files[from->file].path, path);

    if (!full)
        return -ENOMEM;
    if (depth >= INCLUDE_MAX_DEPTH)
        return failure_set(f, -EBADMSG, ERROR_CONFIGURATION,
            "%s:%u: @include: files include each other more than %d deep; does one include itself?",
            source->files[from->file].path, from->line, INCLUDE_MAX_DEPTH);
    return load_file(source, full, depth + 1, from, f);
}

/* A line of a file, with what it includes. */
static int take_line(Source *source, const SourceLine *here, const char *line, size_t n,
    unsigned depth, Inside *inside, Failure *f)
{
    const char *path = source->files[here->file].path;
    _cleanup_free_
    char *included = NULL;
    int r = 0;

    if (memchr(line, '\0', n))
        return failure_set(f, -EBADMSG, ERROR_CONFIGURATION,
            "%s:%u: holds a NUL byte: this is not a text file; write it anew", path, here->line);
    if (*inside == INSIDE_NOTHING)
        r = parse_include(line, n, &included);
    if (r == -EINVAL)
        return failure_set(f, -EBADMSG, ERROR_CONFIGURATION,
            "%s:%u: @include: is not followed by one path; it takes @include \"FILE\" on a line "
            "of its own",
            path, here->line);
    if (r > 0)
        return include(source, included, here, depth, f);
    return r < 0 ? r : add_line(source, here->file, here->line) ?: copy_line(source, line, n, inside);
}

static int add_text(
    Source *source, unsigned file, const char *text, size_t n, unsigned depth, Failure *f)
{
    const char *end = text + n;
    Inside inside = INSIDE_NOTHING;
    unsigned line = 1;

    if (n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        text += 3;
    for (const char *p = text, *next; p < end; p = next + 1, line++) {
        int r;

        next = memchr(p, '\n', (size_t)(end - p)) ?: end;
        r = take_line(source, &(SourceLine){file, line}, p, (size_t)(next - p), depth, &inside, f);
        if (r == -EBADMSG && source->lenient)
            source->left_out = true;
        else if (r < 0)
            return r;
    }
    return 0;
}

static int add_file(Source *source, const char *path, const struct stat *st)
{
    SourceFile *files = reallocarray(source->files, source->n_files + 1, sizeof(*source->files));

    if (!files)
        return -ENOMEM;
    source->files = files;
    files[source->n_files] = (SourceFile){strdup(path), *st};
    return files[source->n_files].path ? (int)source->n_files++ : -ENOMEM;
}

/* A failure to read a file: the main one's is handed up as it is, an included one's is a mistake in
 * the including line, unless whatever else is read now would meet with it too. */
static int unreadable(
    const Source *source, const char *path, int error, const SourceLine *from, Failure *f)
{
    if (error == -EFBIG && !from)
        return failure_set(f, -EBADMSG, ERROR_CONFIGURATION,
            "%s: is larger than 4 MiB; is it the right file?", path);
    if (!from && error == -ENOENT)
        return failure_set(f, error, ERROR_CONFIGURATION,
            "there is no configuration file %s; make one, or name it with --config", path);
    if (!from)
        return failure_set(f, error, error_from_errno(error),
            "cannot read the configuration file %s: %s; name a readable file with --config, or run "
            "this as a user who may read it",
            path, file_trouble(error));
    return failure_set(f, error_is_common(error) ? error : -EBADMSG,
        error_is_common(error) ? error_from_errno(error) : ERROR_CONFIGURATION,
        "%s:%u: @include: cannot read %s: %s; name a file that exists and is readable",
        source->files[from->file].path, from->line, path, file_trouble(error));
}

static int load_file(
    Source *source, const char *path, unsigned depth, const SourceLine *from, Failure *f)
{
    _cleanup_buffer_ Buffer content = {0};
    /* The main file may be a pipe, from a shell's <(...); an included one that blocks is a trap. */
    _cleanup_close_ int fd = file_open(AT_FDCWD, path, from ? FILE_NO_PIPE : FILE_SHELL_PIPE);
    struct stat st;
    int r = fd < 0 ? fd : 0;

    if (r == 0 && fstat(fd, &st) < 0)
        r = -errno;
    if (r == 0)
        r = file_read_all(
            fd, SOURCE_MAX_BYTES - MIN(buffer_size(&source->text), SOURCE_MAX_BYTES), &content);
    if (r == -ENOMEM)
        return r;
    if (r < 0)
        return unreadable(source, path, r, from, f);
    r = add_file(source, path, &st);
    if (r < 0)
        return r;
    return add_text(source, (unsigned)r, buffer_size(&content) ? buffer_data(&content) : "",
        buffer_size(&content), depth, f);
}

/* libconfig takes a string. */
static int terminate(Source *source)
{
    return buffer_append(&source->text, "", 1);
}

int source_load(Source *source, const char *path, Failure *f)
{
    return load_file(source, path, 0, NULL, f) ?: terminate(source);
}

int source_load_text(Source *source, const char *name, const char *text, size_t n, Failure *f)
{
    int file = add_file(source, name, &(struct stat){0});

    if (file < 0)
        return file;
    return add_text(source, (unsigned)file, text, n, 0, f) ?: terminate(source);
}

void source_done(Source *source)
{
    for (size_t i = 0; i < source->n_files; i++)
        free(source->files[i].path);
    free(source->files);
    free(source->lines);
    buffer_done(&source->text);
    *source = (Source){0};
}
