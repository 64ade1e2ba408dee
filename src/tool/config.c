/* outbox config: the settings in effect, or one of them, or what there is to know about them. */
#include <stdio.h>
#include <sysexits.h>

#include "settings/load.h"
#include "settings/print.h"
#include "tool/command.h"
#include "tool/routes.h"
#include "tool/wrap.h"

static int print(Buffer *out)
{
    wrap_as_is(stdout);       /* it can be written into a file */
    if (buffer_size(out) > 0) /* an empty one has no data at all */
        fwrite(buffer_data(out), 1, buffer_size(out), stdout);
    return EX_OK;
}

/* No configuration is one without a relay. */
static const char *const only_host[] = {"host=localhost", NULL};

typedef struct Question {
    const char *lane;
    bool json;
    bool other; /* what does not go with it is asked for, too */
} Question;

static int run_route(const Tool *tool, const Command *command, char **words, const Question *q)
{
    _cleanup_config_ Config *config = NULL;
    int status;

    if (q->other)
        return tool_usage(command, "--route goes with --lane and --json alone, and --lane with it");
    if (!words[0] || !words[1])
        return tool_usage(command, "--route takes the sender and the recipients");
    status = tool_load(tool, &config);
    return status != 0 ? status : routes_print(config, words[0], q->lane, words + 1, q->json);
}

int run_config(const Tool *tool, const Command *command, int argc, char **argv)
{
    _cleanup_config_ Config *config = NULL;
    _cleanup_failure_ Failure f = {0};
    _cleanup_buffer_ Buffer out = {0};
    _cleanup_config_ Config *defaults = NULL;
    bool json = false, explain = false, changed = false, route = false;
    const char *lane = NULL;
    int c, status;

    while ((c = tool_getopt(command, argc, argv)) >= 0)
        switch (c) {
        case 'j': json = true; break;
        case 'c': changed = true; break;
        case 'e': explain = true; break;
        case 'r': route = true; break;
        case 'l': lane = optarg; break;
        default: return EX_USAGE;
        }
    if (route || lane)
        return run_route(tool, command, argv + optind,
            &(Question){.lane = lane, .json = json, .other = explain || changed || !route});
    if (argc - optind > 1)
        return tool_usage(command, "%s: one name at most is wanted", argv[optind + 1]);
    if (explain && (json || changed))
        return tool_usage(
            command, "--explain and --%s exclude each other", json ? "json" : "changed");
    if (explain)
        return config_print_help(argv[optind], &out, &f) < 0 ? tool_fail(&f) : print(&out);
    status = tool_load(tool, &config);
    if (status != 0)
        return status;
    if (changed && config_load("/dev/null", only_host, &defaults, &f) < 0)
        return tool_fail(&f);
    if (config_print(config, defaults, argv[optind], json ? CONFIG_FORMAT_JSON : CONFIG_FORMAT_TEXT,
            &out, &f) < 0)
        return tool_fail(&f);
    return print(&out);
}
