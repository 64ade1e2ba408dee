/* The envelope of a message that sendmail is given. Must never let an address without a domain out:
 * what is "root" here is somebody else, or nobody, at the relay. */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/file.h"
#include "base/hostname.h"
#include "base/text.h"
#include "message/address.h"
#include "message/message.h"
#include "message/qualify.h"
#include "message/readdress.h"
#include "tool/input.h"
#include "tool/sendmail.h"

#define MAILNAME_PATH "/etc/mailname"
#define DOMAIN_MAX 256

/* The domain that belongs to names of this machine. Caller frees; NULL when memory is short. */
static char *read_domain(void)
{
    _cleanup_buffer_ Buffer text = {0};
    char name[DOMAIN_MAX] = "", *qualified;
    size_t n = 0;

    if (file_load(AT_FDCWD, MAILNAME_PATH, DOMAIN_MAX - 1, &text) >= 0 && buffer_size(&text) > 0) {
        const char *line = buffer_data(&text);

        while (n < buffer_size(&text) && (unsigned char)line[n] > ' ')
            n++;
        if (n > 0)
            return strndup(line, n);
    }
    if (host_name_get(&qualified) < 0 || qualified)
        return qualified;
    if (gethostname(name, sizeof(name) - 1) < 0 || name[0] == '\0')
        strcpy(name, "localhost");
    return strdup(name);
}

/* What the steps share. */
typedef struct Addressing {
    const SendmailOptions *options;
    const Buffer *text; /* the start of the message, the addresses of its header with domains */
    const char *domain;
    Envelope envelope;
    char *notify; /* the parameter; NULL: none */
    Failure *failure;
} Addressing;

/* What the header says where the envelope does not: 0 with the message, or a negative errno with a
 * Failure. */
static int read_header(
    const Addressing *a, const Envelope *asked, InputMemory *bytes, Message **ret_message)
{
    return input_check(a->text, &INPUT_REST_NONE, asked, bytes, ret_message, a->failure);
}

/* Those of To, Cc and Bcc. That there are none is no failure here. */
static int add_header_recipients(Addressing *a)
{
    _cleanup_(message_free_p) Message *message = NULL;
    const Envelope asked = {.sender = a->envelope.sender};
    const Envelope *found;
    InputMemory bytes;
    int r = read_header(a, &asked, &bytes, &message);

    if (r < 0)
        return a->failure->number == ERROR_NO_RECIPIENT ? 0 : r;
    found = message_envelope(message);
    for (size_t i = 0; r >= 0 && i < found->n_recipients; i++)
        r = envelope_add_recipient(
            &a->envelope, found->recipients[i].address, a->notify, a->failure);
    return r;
}

static int add_recipients(Addressing *a, char **lists)
{
    const EnvelopeTerms terms = {.parameters = a->notify, .domain = a->domain};
    bool from_header = a->options->header_recipients;
    int r = 0;

    for (; r >= 0 && *lists; lists++)
        r = envelope_add_list(&a->envelope, *lists, strlen(*lists), &terms, a->failure);
    if (r >= 0 && from_header)
        r = add_header_recipients(a);
    if (r < 0 || a->envelope.n_recipients > 0)
        return r;
    return failure_set(a->failure, -EBADMSG, ERROR_NO_RECIPIENT,
        from_header ? "no recipient is given, nor does the header name one"
                    : "no recipient is given; -t takes those that the header names");
}

/* Sets the sender that the header names, with the parameters there. True; false: it names none. */
static int take_header_sender(Addressing *a, const char *parameters)
{
    const Envelope *found;
    _cleanup_(message_free_p) Message *message = NULL;
    char postmaster[] = "postmaster";
    EnvelopeRecipient anybody = {.address = postmaster};
    const Envelope asked = {.recipients = &anybody, .n_recipients = 1};
    InputMemory bytes;
    int r = read_header(a, &asked, &bytes, &message);

    if (r < 0)
        return a->failure->number == ERROR_NO_SENDER ? false : r;
    found = message_envelope(message);
    r = envelope_set_sender(&a->envelope, found->sender, parameters, a->failure);
    if (r >= 0)
        r = envelope_inherit_sender(&a->envelope, found->sender_parameters, a->failure);
    return r < 0 ? r : true;
}

/* Who calls. Caller frees. */
static char *user_name(void)
{
    const struct passwd *user = getpwuid(getuid());
    char *name;

    if (user)
        return strdup(user->pw_name);
    return asprintf(&name, "uid-%u", getuid()) < 0 ? NULL : name;
}

/* "RET=... ENVID=...", or nothing. */
static int format_parameters(const SendmailOptions *options, Buffer *out)
{
    int r = 0;

    if (options->ret)
        r = buffer_appendf(out, "RET=%s", options->ret);
    if (r >= 0 && options->envelope_id)
        r = buffer_appendf(
            out, "%sENVID=%s", buffer_size(out) > 0 ? " " : "", options->envelope_id);
    return r < 0 ? r : buffer_append(out, "", 1);
}

/* Who the header says, or who calls. */
static int set_default_sender(Addressing *a, const char *parameters)
{
    _cleanup_free_
    char *address = NULL, *name = NULL;
    int r = take_header_sender(a, parameters);

    if (r != false)
        return MIN(r, 0);
    name = user_name();
    address = name ? address_join(name, a->domain) : NULL;
    return address ? envelope_set_sender(&a->envelope, address, parameters, a->failure) : -ENOMEM;
}

/* -f, or what is known without. */
static int set_sender(Addressing *a)
{
    _cleanup_buffer_ Buffer parameters = {0};
    EnvelopeTerms terms = {.domain = a->domain};
    int r = format_parameters(a->options, &parameters);

    if (r < 0)
        return r;
    terms.parameters = buffer_size(&parameters) > 1 ? buffer_data(&parameters) : NULL;
    if (!a->options->sender)
        return set_default_sender(a, terms.parameters);
    return envelope_set_sender_text(&a->envelope, a->options->sender, &terms, a->failure);
}

/* The From field for it: of the envelope's sender, or of the one who sends notices. */
static int format_from(const Addressing *a, Buffer *out)
{
    const char *sender = a->envelope.sender;
    _cleanup_free_
    char *address = sender[0] ? strdup(sender) : address_join("MAILER-DAEMON", a->domain);

    return address ? sendmail_format_from(a->options->full_name, address, out) : -ENOMEM;
}

/* Whether an option's value makes a parameter that can be said. */
static int check_option(
    char letter, const char *keyword, const char *value, EnvelopeParty party, Failure *f)
{
    _cleanup_free_
    char *parameter = NULL;
    int r;

    if (!value)
        return 0;
    if (asprintf(&parameter, "%s=%s", keyword, value) < 0)
        return -ENOMEM;
    if (strchr(value, ' '))
        return failure_set(f, -EBADMSG, ERROR_USAGE, "-%c holds a blank", letter);
    r = envelope_check_parameters(parameter, party, f);
    return r == -EINVAL ? failure_set(f, -EBADMSG, ERROR_USAGE, "-%c: %s", letter, failure_text(f))
                        : r;
}

/* -N, -R and -V are given to the relay as they stand. */
static int check_options(const SendmailOptions *options, Failure *f)
{
    int r = check_option('N', "NOTIFY", options->notify, ENVELOPE_RECIPIENT, f);

    if (r >= 0)
        r = check_option('R', "RET", options->ret, ENVELOPE_SENDER, f);
    return r < 0 ? r : check_option('V', "ENVID", options->envelope_id, ENVELOPE_SENDER, f);
}

static int address(Addressing *a, char **recipients, bool has_from, Buffer *out)
{
    _cleanup_(message_free_p) Message *message = NULL;
    _cleanup_buffer_ Buffer from = {0};
    InputMemory bytes;
    int r = set_sender(a);

    if (r >= 0)
        r = add_recipients(a, recipients);
    if (r >= 0) /* here its lines are those of what was given */
        r = read_header(a, &a->envelope, &bytes, &message);
    if (r >= 0 && !has_from)
        r = format_from(a, &from);
    return r < 0 ? r
                 : message_readdress(buffer_data(a->text), buffer_size(a->text),
                       message_envelope(message), has_from ? NULL : buffer_data(&from), out);
}

int sendmail_address(
    const SendmailOptions *options, char **recipients, const Buffer *start, Buffer *out, Failure *f)
{
    const MessageShape shape = message_shape(buffer_data(start), buffer_size(start));
    _cleanup_buffer_ Buffer text = {0};
    _cleanup_free_
    char *domain = read_domain();
    Addressing a = {.options = options, .text = &text, .domain = domain, .failure = f};
    int r = domain ? check_options(options, f) : -ENOMEM;

    if (r >= 0 && !shape.has_header)
        r = buffer_append_string(&text, "\n");
    if (r >= 0)
        r = message_qualify(buffer_data(start), buffer_size(start), domain, &text);
    if (r >= 0 && options->notify && asprintf(&a.notify, "NOTIFY=%s", options->notify) < 0)
        r = -ENOMEM;
    if (r >= 0)
        r = address(&a, recipients, shape.has_header && shape.has_from, out);
    envelope_done(&a.envelope);
    free(a.notify);
    return r == -ENOMEM ? failure_set_errno(f, r, "cannot read the message") : r;
}
