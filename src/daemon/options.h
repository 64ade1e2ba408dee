/* outboxd's command line. */
#pragma once

#include <stdbool.h>

#include "base/failure.h"
#include "daemon/log.h"

typedef enum OptionsAction {
    OPTIONS_RUN,
    OPTIONS_CHECK,
    OPTIONS_HELP,
    OPTIONS_VERSION,
} OptionsAction;

typedef struct Options {
    OptionsAction action;
    const char *config_path; /* NULL: the default */
    const char *
        *overrides; /* "NAME=VALUE", NULL-terminated; the array is owned, the texts are argv's */
    LogTarget log;
} Options;

/* 0, or a negative errno with a Failure (ERROR_USAGE for -EINVAL) that says what would be right. */
int options_parse(int argc, char **argv, Options *ret, Failure *f);
void options_done(Options *options);

/* What --help prints. */
const char *options_help(void);
