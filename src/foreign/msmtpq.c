/* The queue of msmtp's scripts, msmtpq and msmtpqueue: X.mail is a message, and X.msmtp has the
 * arguments that msmtp was called with, in one line, in which quotes have been lost. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/errors.h"
#include "base/text.h"
#include "foreign/format.h"

static bool is_message(const char *name)
{
    return text_ends(name, ".mail");
}

static int look(const char *path, Failure *f)
{
    _cleanup_free_
    char *lock = NULL;
    struct stat st;

    if (asprintf(&lock, "%s/.lock", path) < 0)
        return -ENOMEM;
    return stat(lock, &st) < 0 ? 0
                               : failure_set(f, -EBUSY, ERROR_FILE,
                                     "msmtp's script is working on this queue; where none is "
                                     "running, it was killed: remove %s",
                                     lock);
}

/* What the arguments have said so far. */
typedef struct Arguments {
    const char *from, *notify, *ret;
    bool header_recipients, only_addresses;
    char **next; /* those that are left */
} Arguments;

/* The value of an option, which is behind it or the next argument; NULL: there is none. */
static const char *take_value(Arguments *a, const char *attached)
{
    return *attached ? attached + (*attached == '=') : *a->next ? *a->next++ : NULL;
}

/* An option with a value. NULL: the argument is none. */
static const char **find_option(Arguments *a, const char *argument, const char **ret_attached)
{
    static const char *ignored;
    const struct {
        const char *name;
        const char **to;
    } known[] = {{"--from", &a->from}, {"--dsn-notify", &a->notify}, {"--dsn-return", &a->ret},
        {"--account", &ignored}, {"--file", &ignored}, {"--logfile", &ignored}, {"-f", &a->from},
        {"-r", &a->from}, {"-N", &a->notify}, {"-R", &a->ret}, {"-a", &ignored}, {"-C", &ignored},
        {"-X", &ignored}, {"-F", &ignored}};

    for (size_t i = 0; i < ELEMENTSOF(known); i++) {
        size_t n = strlen(known[i].name);

        if (strncmp(argument, known[i].name, n) != 0 ||
            (n > 2 && argument[n] && argument[n] != '='))
            continue;
        *ret_attached = argument + n;
        return known[i].to;
    }
    return NULL;
}

static bool says_nothing(const char *argument)
{
    return text_starts_nocase(argument, "-o") || text_starts_nocase(argument, "-B") ||
           strcmp(argument, "-i") == 0 || strcmp(argument, "-m") == 0 ||
           strcmp(argument, "-v") == 0;
}

static int take_argument(Arguments *a, char *argument, Envelope *e, Failure *f)
{
    const char *attached, **option;

    if (a->only_addresses || argument[0] != '-')
        return envelope_add_recipient(e, argument, NULL, f);
    if (strcmp(argument, "--") == 0)
        a->only_addresses = true;
    else if (strcmp(argument, "-t") == 0 || strcmp(argument, "--read-recipients") == 0)
        a->header_recipients = true;
    else if (strcmp(argument, "--read-envelope-from") == 0)
        a->from = NULL;
    else if ((option = find_option(a, argument, &attached))) {
        const char *value = take_value(a, attached);

        if (!value)
            return failure_set(f, -EBADMSG, ERROR_MESSAGE, "msmtp's %s has no value", argument);
        *option = value;
    } else if (!says_nothing(argument))
        return failure_set(
            f, -EBADMSG, ERROR_MESSAGE, "msmtp's option %s is not known here", argument);
    return 0;
}

/* "never", "failure,success" and "full", "hdrs" are what SMTP says, but for their case. Appends
 * KEYWORD=VALUE. */
static int append_parameter(const char *keyword, const char *value, Buffer *out)
{
    size_t at;
    int r = buffer_append_string(out, keyword);

    at = buffer_size(out);
    if (r >= 0)
        r = buffer_append(out, value, strlen(value) + 1);
    for (char *c = r < 0 ? NULL : out->memory + out->start + at; c && *c; c++)
        *c = text_upper(*c);
    return r;
}

static int set_parameters(const Arguments *a, ForeignMessage *message, Failure *f)
{
    _cleanup_buffer_ Buffer notify = {0}, ret = {0};
    Envelope *e = &message->envelope;
    int r = a->notify ? append_parameter("NOTIFY=", a->notify, &notify) : 0;

    if (r >= 0 && a->ret)
        r = append_parameter("RET=", a->ret, &ret);
    if (r >= 0 && a->notify && !(message->recipient_parameters = strdup(buffer_data(&notify))))
        r = -ENOMEM;
    if (r >= 0 && a->notify)
        r = envelope_check_parameters(buffer_data(&notify), ENVELOPE_RECIPIENT, f);
    return r < 0 || !a->from ? r : envelope_set_sender(e, a->from, buffer_data(&ret), f);
}

/* All that is on the line. */
static int read_arguments(char *line, ForeignMessage *message, Failure *f)
{
    _cleanup_free_
    char **words = calloc(strlen(line) / 2 + 2, sizeof(char *));
    Arguments a = {.next = words};
    char *rest = line, *word;
    size_t n = 0;
    int r = 0;

    if (!words)
        return -ENOMEM;
    while ((word = strsep(&rest, " \t")))
        if (*word)
            words[n++] = word;
    while (r >= 0 && *a.next)
        r = take_argument(&a, *a.next++, &message->envelope, f);
    if (r >= 0)
        r = set_parameters(&a, message, f);
    if (r >= 0 && message->envelope.n_recipients == 0 && !a.header_recipients)
        return failure_set(f, -EBADMSG, ERROR_NO_RECIPIENT, "msmtp was given no recipient");
    return r < 0 ? r : 1;
}

/* The message is written first: one alone is not whole yet, or was left by a script that died. */
static int read_pair(const char *path, ForeignMessage *message, Failure *f)
{
    _cleanup_(reader_done) Reader reader = {.fd = -1};
    _cleanup_buffer_ Buffer line = {0};
    int n = (int)(strlen(path) - strlen(".mail")), r;

    if (!is_message(path))
        return failure_set(f, -EBADMSG, ERROR_MESSAGE, "a message of msmtp's scripts is X.mail");
    message->files[1] = strdup(path);
    if (!message->files[1] || asprintf(&message->files[0], "%.*s.msmtp", n, path) < 0)
        return -ENOMEM;
    reader.fd = format_open(message->files[0], f);
    if (reader.fd < 0)
        return reader.fd;
    r = reader_line(&reader, &line);
    if (r <= 0)
        return r < 0 ? format_line_failure(&reader, r, f)
                     : failure_set(f, -EBADMSG, ERROR_MESSAGE, "%s is empty", message->files[0]);
    return read_arguments(line.memory + line.start, message, f);
}

const FormatOps format_msmtpq = {
    .name = "msmtpq",
    .is_message = is_message,
    .look = look,
    .read = read_pair,
    .content = format_rest,
};
