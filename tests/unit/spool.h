/* A queue directory of its own for each test, and a few words to set up and look at its files. */
#pragma once

#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "spool/identity.h"
#include "spool/spool.h"

typedef struct Place {
    char path[64];
    Spool *spool;
    int fd;
} Place;

static inline void place_init(Place *p)
{
    _cleanup_failure_ Failure f = {0};

    strcpy(p->path, "/tmp/outbox-spool-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(p->path));
    ck_assert_msg(spool_open(p->path, &p->spool, &f) == 0, "%s", failure_text(&f));
    p->fd = spool_directory_fd(p->spool);
}

static inline void place_empty(const Place *p)
{
    DIR *stream = opendir(p->path);
    struct dirent *entry;

    while ((entry = readdir(stream)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            unlinkat(p->fd, entry->d_name, 0) < 0)
            (void)unlinkat(p->fd, entry->d_name, AT_REMOVEDIR);
    closedir(stream);
}

static inline void place_done(Place *p)
{
    place_empty(p);
    spool_free(p->spool);
    ck_assert_int_eq(rmdir(p->path), 0);
}

#define _cleanup_place_ _cleanup_(place_done)

/* Puts a file there, as a writer that is done would. */
static inline void put(const Place *p, const char *name, const char *content)
{
    _cleanup_close_ int fd = openat(p->fd, name, O_WRONLY | O_CREAT | O_TRUNC, 0640);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(file_write_all(fd, content, strlen(content)), 0);
}

static inline bool there(const Place *p, const char *name)
{
    struct stat st;

    return fstatat(p->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Puts a record there that names the file of that message, as the spool writes them. */
static inline void put_record(
    const Place *p, const char *message, const char *name, const char *lines, size_t n)
{
    _cleanup_close_ int fd = openat(p->fd, name, O_WRONLY | O_CREAT | O_TRUNC, 0640);
    _cleanup_buffer_ Buffer b = {0};
    FileIdentity file;

    ck_assert_int_eq(file_identity_of(p->spool, p->fd, message, &file), 0);
    ck_assert_int_eq(file_identity_append_line(&b, 0, &file), 0);
    ck_assert_int_eq(buffer_append(&b, lines, n), 0);
    ck_assert_int_eq(file_write_all(fd, buffer_data(&b), buffer_size(&b)), 0);
}

/* Everything in the file; free it. */
static inline char *content(const Place *p, const char *name)
{
    Buffer b = {0};

    ck_assert_int_eq(file_load(p->fd, name, 1 << 20, &b), 0);
    ck_assert_int_eq(buffer_append(&b, "", 1), 0);
    return b.memory;
}

/* The name with its random suffix, when it has one, as `*`. */
static inline void mask_name(const char *name, char ret[static 256])
{
    const char *dash = strchr(name, '-'), *dot = strrchr(name, '.');

    if (name[0] != '.' && dash && dot - dash == 9)
        snprintf(ret, 256, "%.*s*%s", (int)(dash - name + 1), name, dot);
    else
        snprintf(ret, 256, "%s", name);
}

/* Random suffixes must not decide about the order. */
static inline int by_masked_name(const struct dirent **a, const struct dirent **b)
{
    char masked_a[256], masked_b[256];

    mask_name((*a)->d_name, masked_a);
    mask_name((*b)->d_name, masked_b);
    return strcmp(masked_a, masked_b);
}

/* The same of a record, without the line that says whose it is; free it. */
static inline char *record_lines(const Place *p, const char *name)
{
    char *text = content(p, name), *event = strstr(text, "\"event\":\"message\"");
    char *end = strchr(text, '\n');

    if (event && end && event < end)
        memmove(text, end + 1, strlen(end + 1) + 1);
    return text;
}

/* The names in the directory, masked and sorted, a blank behind each; free it. */
static inline char *names(const Place *p)
{
    struct dirent **entries;
    int n = scandir(p->path, &entries, NULL, by_masked_name);
    Buffer b = {0};

    for (int i = 0; i < n; i++) {
        char masked[256];

        mask_name(entries[i]->d_name, masked);
        if (strcmp(masked, ".") != 0 && strcmp(masked, "..") != 0)
            buffer_appendf(&b, "%s ", masked);
        free(entries[i]);
    }
    free(entries);
    ck_assert_int_eq(buffer_append(&b, "", 1), 0);
    return b.memory;
}

#define assert_names(p, expected)             \
    do {                                      \
        char *_names = names(p);              \
        ck_assert_str_eq(_names, (expected)); \
        free(_names);                         \
    } while (0)

#define NOW ((usec_t)4000000000 * USEC_PER_SEC) /* long after what the tests put there */

static inline int claim(const Place *p, const char *id, SpoolClaim **ret)
{
    return spool_claim(p->spool, id, SPOOL_QUEUED, 0, false, NOW, ret, NULL, NULL);
}
