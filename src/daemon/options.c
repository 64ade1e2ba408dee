/* Reading the command line. Must never print, exit, or read a file. */
#include "daemon/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "base/errors.h"
#include "settings/load.h"

enum { OPTION_CONFIG = 1, OPTION_CHECK, OPTION_LOG, OPTION_SET };

static const struct option options[] = {
    {"config", required_argument, NULL, OPTION_CONFIG},
    {"check", no_argument, NULL, OPTION_CHECK},
    {"log", required_argument, NULL, OPTION_LOG},
    {"set", required_argument, NULL, OPTION_SET},
    {"version", no_argument, NULL, 'V'},
    {"help", no_argument, NULL, 'h'},
    {0},
};
static const char letters[] = "+:hV";

const char *options_help(void)
{
    return "Usage: outboxd [OPTION...]\n"
           "Delivers the messages of a queue, in the foreground, until it is told to "
           "stop.\n"
           "\n"
           "  --config FILE     read the configuration from FILE\n"
           "                    (default: " SETTINGS_DEFAULT_PATH ")\n"
           "  --set NAME=VALUE  override a setting; may be repeated\n"
           "  --check           check the configuration and exit\n"
           "  --log=TARGET      log to \"journal\" or \"stderr\"; \"auto\" (the default) is the\n"
           "                    journal under systemd, else standard error\n"
           "  -V, --version     print the version and exit\n"
           "  -h, --help        print this and exit\n"
           "\n"
           "See outboxd(8) and outbox.conf(5).\n";
}

static int add_override(Options *o, const char *text, Failure *f)
{
    const char **more;
    size_t n = 0;

    if (text[0] == '=' || !strchr(text, '='))
        return failure_set(f, -EINVAL, ERROR_USAGE,
            "--set %s: a setting is NAME=VALUE, such as --set spool.keep_sent=true", text);
    while (o->overrides && o->overrides[n])
        n++;
    more = reallocarray(o->overrides, n + 2, sizeof(*more));
    if (!more)
        return failure_set_errno(f, -ENOMEM, "cannot read the command line");
    more[n] = text;
    more[n + 1] = NULL;
    o->overrides = more;
    return 0;
}

/* What getopt_long() could not take: `c` is its result, `argument` where it stopped, which of a
 * letter among others is the argument before. */
static int usage_error(int c, const char *argument, Failure *f)
{
    if (c == '?' && optopt > ' ' && optopt < 0x7f && !strchr(letters, optopt))
        return failure_set(f, -EINVAL, ERROR_USAGE,
            "unknown option -%c; \"outboxd --help\" lists the options", optopt);
    if (c == ':')
        return failure_set(f, -EINVAL, ERROR_USAGE,
            "option %s needs a value; \"outboxd --help\" lists the options", argument);
    if (optopt != 0 && strchr(argument, '='))
        return failure_set(f, -EINVAL, ERROR_USAGE,
            "option %s takes no value; \"outboxd --help\" lists the options", argument);
    return failure_set(f, -EINVAL, ERROR_USAGE,
        "unknown option %s; \"outboxd --help\" lists the options", argument);
}

static int apply(Options *o, int c, const char *argument, Failure *f)
{
    switch (c) {
    case OPTION_CONFIG: o->config_path = optarg; return 0;
    case OPTION_SET: return add_override(o, optarg, f);
    case OPTION_CHECK: o->action = MAX(o->action, (OptionsAction)OPTIONS_CHECK); return 0;
    case 'h': o->action = MAX(o->action, (OptionsAction)OPTIONS_HELP); return 0;
    case 'V': o->action = OPTIONS_VERSION; return 0;
    case OPTION_LOG:
        if (log_target_parse(optarg, &o->log) < 0)
            return failure_set(f, -EINVAL, ERROR_USAGE,
                "--log=%s: the targets are auto, journal and stderr", optarg);
        return 0;
    default: return usage_error(c, argument, f);
    }
}

void options_done(Options *o)
{
    free(o->overrides);
    *o = (Options){0};
}

int options_parse(int argc, char **argv, Options *ret, Failure *f)
{
    _cleanup_(options_done) Options o = {.action = OPTIONS_RUN, .log = LOG_TARGET_AUTO};
    int c, r;

    optind = 0; /* glibc: begin anew, whatever was read before */
    while (c = getopt_long(argc, argv, letters, options, NULL), c != -1) {
        r = apply(&o, c, argv[optind - 1], f);
        if (r < 0)
            return r;
    }
    if (optind < argc)
        return failure_set(f, -EINVAL, ERROR_USAGE,
            "%s is too much: outboxd takes options only; the queue directory is the setting "
            "spool.directory",
            argv[optind]);
    *ret = o;
    o.overrides = NULL;
    return 0;
}
