/* The text of a configuration: the file with what it includes put in, and where each line came
 * from.
 *
 * libconfig would end the process on an included directory, finds relative files by the working
 * directory and cuts whole numbers to 32 bits; so it is given a text in which `@include "FILE"`
 * lines are already replaced, and numbers of ten digits and more have their L. A relative FILE is
 * looked for beside the file that includes it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/failure.h"

typedef struct SourceFile {
    char *path;
    struct stat st; /* who may read it; zero for what is no file */
} SourceFile;

typedef struct SourceLine {
    unsigned file, line; /* line counts from 1 */
} SourceLine;

typedef struct Source {
    Buffer text; /* NUL-terminated when complete */
    SourceFile *files;
    size_t n_files;
    SourceLine *lines;
    size_t n_lines;
    bool lenient; /* an included file that cannot be read, or a line that is no text, is left out */
    bool left_out; /* something was */
} Source;

/* `source` is {0}, or {.lenient = true}.
 *
 * 0; -EBADMSG with a Failure "FILE:LINE: ..." for what is wrong in the text; another negative errno
 * when `path` cannot be read, with a Failure that names it. */
int source_load(Source *source, const char *path, Failure *f);

/* The same from memory; `name` stands for the file. */
int source_load_text(Source *source, const char *name, const char *text, size_t n, Failure *f);

/* Where line `line` (from 1) of the text came from. Never NULL for a loaded source. */
const SourceFile *source_locate(const Source *source, unsigned line, unsigned *ret_line);

/* The text without all but its first group of that name, whatever is wrong elsewhere; lines stay
 * where they are. Empty lines alone where there is no such group. The caller frees it; NULL when
 * memory is short. */
char *source_cut_group(const Source *source, const char *name);

void source_done(Source *source);

#define _cleanup_source_ _cleanup_(source_done)
