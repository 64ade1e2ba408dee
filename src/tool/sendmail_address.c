/* The envelope of a message that sendmail is given. Must never let an address without a domain out:
 * what is "root" here is somebody else, or nobody, at the relay. */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/text.h"
#include "message/address.h"
#include "message/mend.h"
#include "message/message.h"
#include "message/qualify.h"
#include "message/readdress.h"
#include "message/rewrite.h"
#include "tool/input.h"
#include "tool/local.h"
#include "tool/sendmail.h"

/* What the steps share. */
typedef struct Addressing {
    const SendmailOptions *options;
    const char *trace;     /* lines of the header that are added in front; NULL: none */
    Buffer *text;          /* the start of the message, its header mended as far as is known yet */
    const Buffer *written; /* the same, whose addresses have no more domains than they came with */
    const Local *local;
    const char *domain;
    char *caller, *caller_name; /* whose program this is */
    Envelope envelope;
    char *notify;                /* the parameter; NULL: none */
    const char *list;            /* in which the recipient that is added stands */
    const RecipientField *field; /* whose recipients are added; NULL: an argument's */
    unsigned n_refused;          /* that are no addresses; each has been said */
    Failure *failure;
} Addressing;

/* What the header says where the envelope does not: 0 with the message, or a negative errno with a
 * Failure. */
static int read_header(
    const Addressing *a, const Envelope *asked, InputMemory *bytes, Message **ret_message)
{
    return input_check(a->text, false, asked, bytes, ret_message, a->failure);
}

/* The same for who is in it, where it need not name a recipient, nor (`sender` NULL: it does) a
 * sender. */
static int read_people(Addressing *a, char *sender, InputMemory *bytes, Message **ret_message)
{
    char postmaster[] = "postmaster";
    EnvelopeRecipient anybody = {.address = postmaster};
    const Envelope asked = {.sender = sender, .recipients = &anybody, .n_recipients = 1};

    return read_header(a, &asked, bytes, ret_message);
}

/* ---- recipients ---- */

/* Says what is wrong with a recipient, and where it stands. */
static void tell_refused(const RecipientField *field, const char *text, const Failure *f)
{
    char where[64] = "an argument";
    size_t line;

    if (field) {
        line = field->line;
        for (const char *at = field->list; at < text; at++)
            line += *at == '\n';
        (void)snprintf(
            where, sizeof(where), "line %zu, %.*s", line, (int)field->n_name, field->name);
    }
    (void)tool_fail_about(where, f);
}

static int refuse_recipient(Addressing *a, const char *text, int r, const Failure *f)
{
    if (r != -EINVAL)
        return r;
    a->n_refused++;
    tell_refused(a->field, text, f);
    return 0;
}

static int add_item(void *user, const AddressItem *item)
{
    Addressing *a = user;
    _cleanup_failure_ Failure f = {0};
    int r;

    if (item->kind != ADDRESS_MAILBOX)
        return 0;
    r = local_names_add(&a->local->names, &a->envelope, item->address, a->notify, &f);
    return refuse_recipient(a, a->list, r, &f);
}

static int add_element(void *user, const char *text, size_t n)
{
    Addressing *a = user;
    _cleanup_failure_ Failure f = {0};
    int r;

    a->list = text;
    r = address_list_parse(text, n, ADDRESS_RECIPIENTS, add_item, a, &f);
    return refuse_recipient(a, text, r, &f);
}

static int ignore_item(_unused_ void *user, _unused_ const AddressItem *item)
{
    return 0;
}

/* Those of a list. One that is no address keeps nobody else from getting the mail. */
static int add_list(Addressing *a, const char *list, size_t n)
{
    int r = address_list_parse(list, n, ADDRESS_RECIPIENTS, ignore_item, NULL, NULL);

    a->list = list;
    if (r != -EINVAL)
        return r < 0 ? r : address_list_parse(list, n, ADDRESS_RECIPIENTS, add_item, a, a->failure);
    return address_list_split(list, n, add_element, a);
}

static int add_field(void *user, const RecipientField *field)
{
    Addressing *a = user;
    int r;

    a->field = field;
    r = add_list(a, field->list, field->n_list);
    a->field = NULL;
    return r;
}

/* A header that has what no header may have is not read to its end. */
static int fail_without_recipients(Addressing *a)
{
    char nobody[] = "";
    _cleanup_(message_free_p) Message *message = NULL;
    bool from_header = a->options->header_recipients;
    InputMemory bytes;
    int r = from_header ? read_people(a, nobody, &bytes, &message) : 0;

    return r < 0 ? r
                 : failure_set(a->failure, -EBADMSG, ERROR_NO_RECIPIENT,
                       from_header ? "no recipient is given, nor does the header name one"
                                   : "no recipient is given; -t takes those that the header names");
}

static int add_recipients(Addressing *a, char **lists)
{
    bool from_header = a->options->header_recipients;
    int r = 0;

    for (; r >= 0 && *lists; lists++)
        r = add_list(a, *lists, strlen(*lists));
    if (r >= 0 && from_header)
        r = message_recipient_fields(
            buffer_data(a->written), buffer_size(a->written), add_field, a);
    if (r < 0 || a->envelope.n_recipients > 0)
        return r;
    return a->n_refused > 0 ? -ECANCELED : fail_without_recipients(a);
}

/* ---- the sender ---- */

/* Sets the sender that the header names, with the parameters there. True; false: it names none that
 * can be read. */
static int take_header_sender(Addressing *a, const char *parameters)
{
    const Envelope *found;
    _cleanup_(message_free_p) Message *message = NULL;
    InputMemory bytes;
    int r = read_people(a, NULL, &bytes, &message);

    if (r < 0)
        return r == -EBADMSG ? false : r;
    found = message_envelope(message);
    r = envelope_set_sender(&a->envelope, found->sender, parameters, a->failure);
    if (r >= 0)
        r = envelope_inherit_sender(&a->envelope, found->sender_parameters, a->failure);
    return r < 0 ? r : true;
}

/* Address and full name of who calls. 0 or -ENOMEM. */
static int find_caller(Addressing *a)
{
    const struct passwd *user = getpwuid(getuid());
    char name[sizeof("uid-") + 3 * sizeof(uid_t)];

    (void)snprintf(name, sizeof(name), "uid-%u", getuid());
    a->caller = address_join(user ? user->pw_name : name, a->domain);
    a->caller_name = local_full_name(user ? user->pw_gecos ?: "" : "", user ? user->pw_name : "");
    return a->caller && a->caller_name ? 0 : -ENOMEM;
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
    int r = take_header_sender(a, parameters);

    return r != false ? MIN(r, 0)
                      : envelope_set_sender(&a->envelope, a->caller, parameters, a->failure);
}

/* An address and nothing else: what programs put behind -f may be a stranger's. */
static int check_sender(const char *text, Failure *f)
{
    _cleanup_free_
    char *address = NULL, *parameters = NULL;
    int r = envelope_parse_field(text, strlen(text), &address, &parameters, NULL);

    if (r == -ENOMEM || !parameters)
        return r == -ENOMEM ? r : 0;
    return failure_set(f, -EBADMSG, ERROR_USAGE,
        "-f has more behind the address (%s): -N, -R and -V say how it is to be carried",
        parameters);
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
    r = check_sender(a->options->sender, a->failure);
    if (r < 0)
        return r;
    r = envelope_set_sender_text(&a->envelope, a->options->sender, &terms, a->failure);
    return r < 0 && r != -ENOMEM ? failure_prefix(a->failure, r, "-f") : r;
}

/* ---- addresses that local.rewrite_from has others for ---- */

static int find_replacement(void *user, const char *address, char **ret)
{
    return from_rules_apply(user, address, ret);
}

/* Of an address that is the caller's own to free. 0 or -ENOMEM. */
static int rewrite_address(const Addressing *a, char **address)
{
    char *found = NULL;
    int r = from_rules_apply(a->local->from, *address, &found);

    if (r >= 0 && found) {
        free(*address);
        *address = found;
    }
    return r;
}

/* Each address once, however it came to be there: the rules are not for what they have made. */
static int rewrite(Addressing *a)
{
    _cleanup_buffer_ Buffer rewritten = {0};
    int r;

    if (!a->local->from)
        return 0;
    r = rewrite_address(a, &a->caller);
    if (r >= 0)
        r = rewrite_address(a, &a->envelope.sender);
    if (r >= 0)
        r = message_rewrite(buffer_data(a->text), buffer_size(a->text), find_replacement,
            a->local->from, &rewritten);
    if (r >= 0)
        SWAP(*a->text, rewritten);
    return r;
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

/* ---- the header ---- */

/* Names these people in the header where it names nobody. */
static int mend_people(Addressing *a, const MendPeople *people)
{
    _cleanup_buffer_ Buffer mended = {0};
    int r = message_mend_addresses(buffer_data(a->text), buffer_size(a->text), people, &mended);

    if (r >= 0)
        SWAP(*a->text, mended);
    return r;
}

/* The message with its envelope in front, and with a From field by `author`, where it has none. */
static int write_message(Addressing *a, const char *author, Buffer *out)
{
    const char *data = buffer_data(a->text);
    _cleanup_(message_free_p) Message *message = NULL;
    _cleanup_buffer_ Buffer added = {0};
    InputMemory bytes;
    int r = read_header(a, &a->envelope, &bytes, &message);

    if (r >= 0 && a->trace)
        r = buffer_append_string(&added, a->trace);
    if (r >= 0 && !message_shape(data, buffer_size(a->text)).has_from) {
        const char *own = text_equal_mailbox(author, a->caller) ? a->caller_name : NULL;

        r = message_append_originator("From", a->options->full_name ?: own, author, &added);
    }
    if (r >= 0)
        r = buffer_append(&added, "", 1);
    return r < 0 ? r
                 : message_readdress(data, buffer_size(a->text), message_envelope(message),
                       buffer_data(&added), out);
}

/* With the address of the one who sends notices where the sender is nobody. */
static int write_authored(Addressing *a, Buffer *out)
{
    _cleanup_free_
    char *daemon = address_join("MAILER-DAEMON", a->domain);
    int r = daemon ? rewrite_address(a, &daemon) : -ENOMEM;
    const char *sender = a->envelope.sender, *author = sender[0] ? sender : daemon;

    if (r >= 0)
        r = mend_people(a, &(MendPeople){.author = author, .sender = a->caller});
    return r < 0 ? r : write_message(a, author, out);
}

/* `recipients` NULL: the envelope is complete, but for rewriting its sender. */
static int address(Addressing *a, char **recipients, Buffer *out)
{
    int r = recipients ? set_sender(a) : 0;

    if (r >= 0)
        r = rewrite(a);
    if (r >= 0 && recipients)
        r = add_recipients(a, recipients);
    return r < 0 ? r : write_authored(a, out);
}

/* The start of the message with a header that is one, and its addresses with domains. */
static int mend(Addressing *a, const Buffer *start, Buffer *written)
{
    const MendPeople people = {.sender = a->caller};
    _cleanup_buffer_ Buffer mended = {0};
    int r = message_mend(buffer_data(start), buffer_size(start), &mended);

    if (r >= 0) /* before words of a name get a domain */
        r = message_mend_addresses(buffer_data(&mended), buffer_size(&mended), &people, written);
    return r < 0 ? r
                 : message_qualify(buffer_data(written), buffer_size(written), a->domain, a->text);
}

/* As sendmail_address(), by rules that have been read. What was made for it is freed here. */
static int complete(Addressing *a, char **recipients, const Buffer *start, Buffer *out)
{
    _cleanup_buffer_ Buffer text = {0}, written = {0};
    int r;

    a->text = &text;
    a->written = &written;
    a->domain = a->local->domain;
    r = find_caller(a);
    if (r >= 0)
        r = mend(a, start, &written);
    if (r >= 0)
        r = address(a, recipients, out);
    envelope_done(&a->envelope);
    free(a->notify);
    free(a->caller);
    free(a->caller_name);
    return r == -ENOMEM ? failure_set_errno(a->failure, r, "cannot read the message")
           : r < 0      ? r
                        : (int)a->n_refused;
}

int sendmail_address(
    const SendmailOptions *options, char **recipients, const Buffer *start, Buffer *out, Failure *f)
{
    _cleanup_local_ Local local = {0};
    Addressing a = {.options = options, .local = &local, .failure = f};
    int r = local_open(options->config_path, &local, f);

    if (r >= 0)
        r = check_options(options, f);
    if (r >= 0 && options->notify && asprintf(&a.notify, "NOTIFY=%s", options->notify) < 0) {
        a.notify = NULL;
        r = failure_set_errno(f, -ENOMEM, "cannot read the message");
    }
    return r < 0 ? r : complete(&a, recipients, start, out);
}

int sendmail_address_as(const SendmailOptions *options, const Local *local, Envelope *envelope,
    const char *trace, const Buffer *start, Buffer *out, Failure *f)
{
    Addressing a = {
        .options = options, .local = local, .envelope = *envelope, .trace = trace, .failure = f};

    *envelope = (Envelope){0};
    return complete(&a, NULL, start, out);
}

int sendmail_verify(const SendmailOptions *options, char **recipients)
{
    _cleanup_local_ Local local = {0};
    _cleanup_failure_ Failure f = {0};
    Addressing a = {.options = options, .local = &local, .failure = &f};
    int r = local_open(options->config_path, &local, &f);

    if (r >= 0)
        r = add_recipients(&a, recipients);
    for (size_t i = 0; r >= 0 && i < a.envelope.n_recipients; i++)
        printf("%s... deliverable: by the relay\n", a.envelope.recipients[i].address);
    envelope_done(&a.envelope);
    if (r == -ECANCELED || (r >= 0 && a.n_refused > 0))
        return tool_finish_output(EX_NOUSER);
    return tool_finish_output(r == -ENOMEM ? tool_fail_memory() : r < 0 ? tool_fail(&f) : EX_OK);
}
