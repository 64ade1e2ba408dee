/* outbox verify, expand, command: commands said to a relay, whose replies are printed. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/errors.h"
#include "base/text.h"
#include "tool/command.h"
#include "tool/dialogue.h"
#include "tool/json.h"
#include "tool/watched.h"

typedef struct Saying {
    const Command *command;
    const char *verb; /* "VRFY", put before each argument; NULL: the arguments are commands */
    char **arguments;
    bool verbose;
    json_t *answers; /* NULL: they are printed as they come */
} Saying;

/* Whether it can be said at all, so that a mistake needs no relay to be told. 0 or an exit status.
 */
static int check_argument(const Saying *saying, const char *argument)
{
    const char *fault;
    bool reserved;
    _cleanup_free_
    char *line = say_line(saying->verb, argument, &fault, &reserved);
    _cleanup_free_
    char *shown = text_printable(argument, strlen(argument), 80);

    if (line)
        return 0;
    if (!fault || !shown)
        return tool_fail_memory();
    return tool_usage(saying->command, "the argument '%s' %s%s", shown, fault,
        reserved ? ": messages are sent by `outbox send`, TLS and login are matters of the "
                   "configuration, and QUIT is said at the end"
                 : "");
}

/* The reply as JSON; NULL when memory is short. */
static json_t *to_json(OutboxClient *client)
{
    const SmtpReply *reply = client_last_reply(client);
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
    return json_pack("{s:o, s:o, s:i, s:o, s:o}", "relay", json_text(client_relay(client)->name),
        "command", json_text(client_said(client)), "code", reply->code, "enhanced",
        json_text(reply->enhanced[0] ? reply->enhanced : NULL), "lines", lines);
}

/* Prints or keeps the answer. The status that it gives, or -ENOMEM. */
static int answer(const Saying *saying, OutboxClient *client, const char *argument)
{
    const SmtpReply *reply = client_last_reply(client);

    if (!saying->answers)
        dialogue_print_reply(stdout, saying->verb ? argument : NULL, reply);
    else if (json_array_append_new(saying->answers, to_json(client)) < 0)
        return -ENOMEM;
    switch (reply->code / 100) {
    case 2: return EX_OK;
    case 5: return EX_UNAVAILABLE;
    default: return EX_TEMPFAIL;
    }
}

static int say_one(const Saying *saying, OutboxClient *client, const char *argument)
{
    if (!saying->verb)
        return outbox_command(client, argument);
    return strcmp(saying->verb, "VRFY") == 0 ? outbox_verify(client, argument)
                                             : outbox_expand(client, argument);
}

/* Says all of them; the status is 75 when one is to be asked again, else 69 when one was refused.
 */
static int say_all(const Saying *saying, OutboxClient *client)
{
    int status = EX_OK;

    for (char **argument = saying->arguments; *argument; argument++) {
        int r = say_one(saying, client, *argument);

        if (r != 0 && (r != ERROR_SMTP_PROTOCOL || !outbox_is_connected(client))) {
            (void)tool_fail_number(r, "%s", outbox_error_text(client));
            return EX_TEMPFAIL;
        }
        r = answer(saying, client, *argument);
        if (r < 0)
            return tool_fail_memory();
        status = MAX(status, r);
    }
    (void)outbox_disconnect(client);
    return status;
}

/* Over the first relay that is ready. */
static int say(Config *config, const Saying *saying)
{
    _cleanup_(outbox_client_free_p) OutboxClient *client = watched_client(config, saying->verbose);

    if (!client)
        return tool_fail_memory();
    return outbox_connect(client) == 0 ? say_all(saying, client) : watched_fail(client);
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
