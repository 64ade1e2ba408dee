/* outbox verify, expand, command: commands said to a relay, whose replies are printed. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/errors.h"
#include "base/idn.h"
#include "base/text.h"
#include "tool/call.h"
#include "tool/command.h"
#include "tool/dialogue.h"
#include "tool/json.h"

#define LINE_BYTES_MAX 510 /* RFC 5321, 4.5.3.1.4, without the line end */

typedef struct Saying {
    const Command *command;
    const char *verb; /* "VRFY", put before each argument; NULL: the arguments are commands */
    char **arguments;
    bool verbose;
    json_t *answers; /* NULL: they are printed as they come */
} Saying;

static char *format_line(const Saying *saying, const char *argument)
{
    char *line;

    if (asprintf(&line, "%s%s%s", saying->verb ?: "", saying->verb ? " " : "", argument) < 0)
        return NULL;
    return line;
}

/* The same for a relay: an address that is not ASCII goes out as it is where the relay takes that
 * (RFC 6531, 3.7.4.2), with its domain in ASCII where it does not. */
static char *format_line_for(
    const Saying *saying, const char *argument, const SmtpCapabilities *capabilities)
{
    _cleanup_free_
    char *address = NULL, *with_parameter = NULL;

    if (!saying->verb || text_is_ascii(argument, strlen(argument)))
        return format_line(saying, argument);
    if (!smtp_has(capabilities, SMTP_CAP_SMTPUTF8))
        return address_to_ascii_domain(argument, &address) < 0
                   ? NULL
                   : format_line(saying, address ?: argument);
    if (asprintf(&with_parameter, "%s SMTPUTF8", argument) < 0)
        return NULL;
    return format_line(saying, with_parameter);
}

static bool has_control(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            return true;
    return false;
}

/* Whether it can be said at all, so that a mistake needs no relay to be told. 0 or an exit status.
 */
static int check_argument(const Saying *saying, const char *argument)
{
    _cleanup_free_
    char *line = format_line(saying, argument);
    _cleanup_free_
    char *shown = text_printable(argument, strlen(argument), 80);

    if (!line || !shown)
        return tool_fail_memory();
    if (argument[strspn(argument, " ")] == '\0')
        return tool_usage(saying->command, "an argument is empty");
    if (has_control(argument))
        return tool_usage(
            saying->command, "'%s' holds a line end or another control character", shown);
    if (strlen(line) > LINE_BYTES_MAX)
        return tool_usage(
            saying->command, "'%s' is too long: a command has %d bytes", shown, LINE_BYTES_MAX);
    if (smtp_session_command_is_reserved(line))
        return tool_usage(saying->command,
            "'%s' is more than a command and its reply: messages are sent by `outbox send`, TLS "
            "and login are matters of the configuration, and QUIT is said at the end",
            shown);
    return 0;
}

/* The reply as JSON; NULL when memory is short. */
static json_t *to_json(const RelayConfig *relay, const char *line, const SmtpReply *reply)
{
    const char *at = buffer_data(&reply->text), *end = at + buffer_size(&reply->text);
    json_t *lines = json_array();

    while (lines && at < end) {
        const char *next = memchr(at, '\n', (size_t)(end - at)) ?: end;
        _cleanup_free_
        char *text = strndup(at, (size_t)(next - at));

        if (!text || json_array_append_new(lines, json_text(text)) < 0) {
            json_decref(lines);
            lines = NULL;
        }
        at = next + 1;
    }
    return json_pack("{s:o, s:o, s:i, s:o, s:o}", "relay", json_text(relay->name), "command",
        json_text(line), "code", reply->code, "enhanced",
        json_text(reply->enhanced[0] ? reply->enhanced : NULL), "lines", lines);
}

/* Prints or keeps the answer. The status that it gives, or a negative errno. */
static int answer(const Saying *saying, const Call *call, const char *argument, const char *line,
    const DeliveryOutcome *outcome)
{
    const SmtpReply *reply = smtp_session_last_reply(connection_session(call->connection));

    if (!saying->answers)
        dialogue_print_reply(stdout, saying->verb ? argument : NULL, reply);
    else if (json_array_append_new(saying->answers, to_json(call->relay, line, reply)) < 0)
        return -ENOMEM;
    switch (outcome->kind) {
    case DELIVERY_DELIVERED: return EX_OK;
    case DELIVERY_REFUSED: return EX_UNAVAILABLE;
    default: return EX_TEMPFAIL;
    }
}

/* Says one command. An exit status, or a negative errno; -ENOTCONN: the relay is gone, which has
 * been said. */
static int say_one(Call *call, const Saying *saying, const char *argument)
{
    SmtpSession *session = connection_session(call->connection);
    _cleanup_free_
    char *line = format_line_for(saying, argument, smtp_session_capabilities(session));
    SmtpEvent event;
    int r = line ? 0 : -ENOMEM;

    if (r >= 0)
        r = smtp_session_command(session, line, clock_monotonic());
    if (r >= 0)
        r = call_wait(call, &event);
    if (r < 0)
        return r;
    if (event.type == SMTP_EVENT_REPLY)
        return answer(saying, call, argument, line, event.outcome);
    (void)call_say_fault(call->relay, event.outcome);
    return -ENOTCONN;
}

/* Says all of them; the status is 75 when one is to be asked again, else 69 when one was refused.
 */
static int say_all(Call *call, const Saying *saying)
{
    int status = EX_OK;

    for (char **argument = saying->arguments; *argument; argument++) {
        int r = say_one(call, saying, *argument);

        if (r == -ENOTCONN)
            return EX_TEMPFAIL;
        if (r < 0)
            return tool_fail_number(error_from_errno(r), "%s: %s", call->relay->name, strerror(-r));
        status = MAX(status, r);
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
        int r = call_open(config->relays[i], saying->verbose, &call, &fault);

        if (r > 0)
            return say_all(&call, saying);
        if (r < 0)
            return tool_fail_number(error_from_errno(r), "cannot work with relay %s: %s",
                call.relay->name, strerror(-r));
        status = call_say_fault(call.relay, fault);
    }
    return status;
}

/* With the configuration; answers that were kept are printed when all are there. */
static int say_and_print(const Tool *tool, Saying *saying, bool json)
{
    _cleanup_config_ Config *config = NULL;
    int status = tool_load(tool, &config);

    if (status != 0)
        return status;
    if (json) {
        saying->answers = json_array();
        if (!saying->answers)
            return tool_fail_memory();
    }
    status = say(config, saying);
    if (json && json_print(saying->answers) != EX_OK)
        return EX_TEMPFAIL;
    return status;
}

static int run_say(
    const Tool *tool, const Command *command, int argc, char **argv, const char *verb)
{
    Saying saying = {.command = command, .verb = verb};
    bool json = false;
    int c, status = 0;

    while ((c = tool_getopt(command, argc, argv)) >= 0)
        switch (c) {
        case 'j': json = true; break;
        case 'v': saying.verbose = true; break;
        case 'h': return tool_help(command);
        default: return EX_USAGE;
        }
    if (optind == argc)
        return tool_usage(command, "an argument is missing");
    saying.arguments = argv + optind;
    for (char **argument = saying.arguments; status == 0 && *argument; argument++)
        status = check_argument(&saying, *argument);
    return status != 0 ? status : say_and_print(tool, &saying, json);
}

int run_verify(const Tool *tool, const Command *command, int argc, char **argv)
{
    return run_say(tool, command, argc, argv, "VRFY");
}

int run_expand(const Tool *tool, const Command *command, int argc, char **argv)
{
    return run_say(tool, command, argc, argv, "EXPN");
}

int run_command(const Tool *tool, const Command *command, int argc, char **argv)
{
    return run_say(tool, command, argc, argv, NULL);
}
