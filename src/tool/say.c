/* outbox verify, expand, command: commands said to a relay, whose replies are printed. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/errors.h"
#include "tool/call.h"
#include "tool/command.h"
#include "tool/dialogue.h"

#define LINE_BYTES_MAX 2048

typedef struct Saying {
    const char *verb; /* "VRFY", put before each argument; NULL: the arguments are commands */
    char **arguments;
    bool verbose;
} Saying;

/* The status that a reply gives, after having printed it. */
static int answer(const DeliveryOutcome *outcome, const SmtpReply *reply)
{
    dialogue_print_reply(stdout, reply);
    switch (outcome->kind) {
    case DELIVERY_DELIVERED: return EX_OK;
    case DELIVERY_REFUSED: return EX_UNAVAILABLE;
    default: return EX_TEMPFAIL;
    }
}

/* Says one command. An exit status, or a negative errno; -ENOTCONN: the relay is gone, which has
 * been said. */
static int say_one(Call *call, const char *verb, const char *argument)
{
    SmtpSession *session = connection_session(call->connection);
    char line[LINE_BYTES_MAX];
    SmtpEvent event;
    int r;

    if (snprintf(line, sizeof(line), "%s%s%s", verb ?: "", verb ? " " : "", argument) >=
        (int)sizeof(line))
        return tool_fail_number(ERROR_USAGE, "a command has at most %d bytes", LINE_BYTES_MAX - 1);
    r = smtp_session_command(session, line, clock_monotonic());
    if (r == -EINVAL)
        return tool_fail_number(ERROR_USAGE,
            "'%s' cannot be said: it holds control characters, or begins more than a command and "
            "its reply",
            argument);
    if (r >= 0)
        r = call_wait(call, &event);
    if (r < 0)
        return r;
    if (event.type == SMTP_EVENT_REPLY)
        return answer(event.outcome, smtp_session_last_reply(session));
    (void)call_say_fault(call->relay, event.outcome);
    return -ENOTCONN;
}

/* Says all of them; the status is that of the last that did not go well. */
static int say_all(Call *call, const Saying *saying)
{
    int status = EX_OK;

    for (char **argument = saying->arguments; *argument; argument++) {
        int r = say_one(call, saying->verb, *argument);

        if (r == -ENOTCONN)
            return EX_TEMPFAIL;
        if (r < 0)
            return tool_fail_number(error_from_errno(r), "%s: %s", call->relay->name, strerror(-r));
        status = r != EX_OK ? r : status;
    }
    call_quit(call);
    return status;
}

/* Over the first relay that is ready. */
static int say(Config *config, const Saying *saying)
{
    int status = EX_CONFIG;

    for (size_t i = 0; i < config->n_relays; i++) {
        _cleanup_(call_done) Call call = {0};
        const DeliveryOutcome *fault;
        int r = call_open(config, i, saying->verbose, &call, &fault);

        if (r > 0)
            return say_all(&call, saying);
        if (r < 0)
            return tool_fail_number(error_from_errno(r), "cannot work with relay %s: %s",
                call.relay->name, strerror(-r));
        status = call_say_fault(call.relay, fault);
    }
    return status;
}

static int run_say(
    const Tool *tool, const Command *command, int argc, char **argv, const char *verb)
{
    static const struct option options[] = {
        {"verbose", no_argument, NULL, 'v'}, TOOL_OPTION_HELP, {0}};
    _cleanup_config_ Config *config = NULL;
    Saying saying = {.verb = verb};
    int c, status;

    while ((c = tool_getopt(command, argc, argv, ":vh", options)) >= 0)
        switch (c) {
        case 'v': saying.verbose = true; break;
        case 'h': return tool_help(command);
        default: return EX_USAGE;
        }
    if (optind == argc)
        return tool_usage(command, "an argument is missing");
    saying.arguments = argv + optind;
    status = tool_load(tool, &config);
    return status != 0 ? status : say(config, &saying);
}

#define SAY_HELP                                                                            \
    "  -v, --verbose  print the whole dialogue\n"                                           \
    "  -h, --help     print this\n\n"                                                       \
    "The first relay that answers is asked. Exit statuses: 0 it says yes, 69 it says no,\n" \
    "75 ask again later.\n"

static int run_verify(const Tool *tool, const Command *command, int argc, char **argv)
{
    return run_say(tool, command, argc, argv, "VRFY");
}

const Command command_verify = {
    .name = "verify",
    .synopsis = "[OPTION...] ADDRESS...",
    .summary = "Ask the relay whether it knows addresses (VRFY)",
    .help = SAY_HELP "Many relays do not tell: 252 means that mail would be taken all the same.\n",
    .run = run_verify,
};

static int run_expand(const Tool *tool, const Command *command, int argc, char **argv)
{
    return run_say(tool, command, argc, argv, "EXPN");
}

const Command command_expand = {
    .name = "expand",
    .synopsis = "[OPTION...] LIST...",
    .summary = "Ask the relay who is on mailing lists (EXPN)",
    .help = SAY_HELP "Many relays do not tell.\n",
    .run = run_expand,
};

static int run_command(const Tool *tool, const Command *command, int argc, char **argv)
{
    return run_say(tool, command, argc, argv, NULL);
}

const Command command_command = {
    .name = "command",
    .synopsis = "[OPTION...] 'COMMAND'...",
    .summary = "Say SMTP commands to the relay and print its replies",
    .help = SAY_HELP "As in: outbox command NOOP 'HELP VRFY'\n",
    .run = run_command,
};
