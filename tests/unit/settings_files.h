/* Configuration files for the tests of settings: a directory of their own, and what loading makes
 * of a text. */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/errors.h"
#include "base/file.h"
#include "settings/load.h"
#include "unit.h"

static char directory[] = "/tmp/outbox-settings-XXXXXX";

static inline void make_directory(void)
{
    strcpy(directory + sizeof(directory) - 7, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
}

static inline void remove_directory(void)
{
    char command[100];

    snprintf(command, sizeof(command), "rm -r %s", directory);
    ck_assert_int_eq(system(command), 0);
}

/* The path of a file in the test's directory; the buffer is the test's. */
static inline const char *place(const char *name, char path[static 100])
{
    snprintf(path, 100, "%s/%s", directory, name);
    return path;
}

static inline void put(const char *name, const char *text, mode_t mode)
{
    char path[100];
    _cleanup_close_ int fd =
        open(place(name, path), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(file_write_all(fd, text, strlen(text)), 0);
    ck_assert_int_eq(fchmod(fd, mode), 0);
}

static inline Config *load(const char *text, const char *const *overrides)
{
    _cleanup_failure_ Failure f = {0};
    Config *config = NULL;
    char path[100];
    int r;

    put("outbox.conf", text, 0600);
    r = config_load(place("outbox.conf", path), overrides, &config, &f);
    ck_assert_msg(r == 0, "%s", failure_text(&f));
    ck_assert_str_eq(config->path, path);
    return config;
}

/* The mistakes of a text, each line without the directory. */
static inline void expect_mistakes_numbered(
    const char *text, const char *const *overrides, mode_t mode, int number, const char *expected)
{
    _cleanup_failure_ Failure f = {0};
    _cleanup_config_ Config *config = NULL;
    _cleanup_buffer_ Buffer seen = {0};
    char path[100];

    put("outbox.conf", text, mode);
    ck_assert_int_eq(config_load(place("outbox.conf", path), overrides, &config, &f), -EBADMSG);
    ck_assert_ptr_null(config);
    ck_assert_int_eq(f.number, number);
    for (const char *p = failure_text(&f), *next; *p; p = next) {
        next = strstr(p, directory) ?: p + strlen(p);
        ck_assert_int_eq(buffer_append(&seen, p, (size_t)(next - p)), 0);
        if (*next)
            next += strlen(directory) + 1;
    }
    ck_assert_int_eq(buffer_append(&seen, "", 1), 0);
    ck_assert_str_eq(buffer_data(&seen), expected);
}

static inline void expect_mistakes_of(
    const char *text, const char *const *overrides, mode_t mode, const char *expected)
{
    expect_mistakes_numbered(text, overrides, mode, ERROR_CONFIGURATION, expected);
}

static inline void expect_mistakes(const char *text, const char *expected)
{
    expect_mistakes_of(text, NULL, 0600, expected);
}

#define OVERRIDES(...) ((const char *const[]){__VA_ARGS__, NULL})
#define RELAY(settings) "relays = ( { host = \"h\"; " settings " } );\n"
