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

/* The address with a domain. Caller frees. */
static char *qualify(const Addressing *a, const char *address)
{
    const char *at = strrchr(address, '@');
    char *qualified;

    if (address[0] == '\0' || (at && !strchr(at, '"')))
        return strdup(address);
    return asprintf(&qualified, "%s@%s", address, a->domain) < 0 ? NULL : qualified;
}

static int add_recipient(void *user, const char *address, size_t n _unused_)
{
    Addressing *a = user;
    _cleanup_free_
    char *qualified = qualify(a, address);

    return qualified ? envelope_add_recipient(&a->envelope, qualified, a->notify, a->failure)
                     : -ENOMEM;
}

/* The message as it would be with another envelope. */
typedef struct Supposed {
    Buffer text;
    InputMemory bytes;
    Message *message;
} Supposed;

static void supposed_done(Supposed *s)
{
    message_free(s->message);
    buffer_done(&s->text);
}

/* What the message layer makes of the header when the envelope is that. */
static int read_header(const Addressing *a, const Envelope *envelope, Supposed *ret)
{
    int r = message_readdress(
        buffer_data(a->text), buffer_size(a->text), envelope, NULL, &ret->text, a->failure);

    input_memory_init(&ret->bytes, buffer_data(&ret->text), buffer_size(&ret->text));
    return r < 0 ? r : message_open(&ret->bytes.base, 1, "new", &ret->message, a->failure);
}

/* Those of To, Cc and Bcc. That there are none is no failure here. */
static int add_header_recipients(Addressing *a)
{
    _cleanup_(supposed_done) Supposed supposed = {0};
    char nobody[] = "";
    Envelope asked = {.sender = nobody};
    const Envelope *found;
    int r = read_header(a, &asked, &supposed);

    if (r < 0)
        return a->failure->number == ERROR_NO_RECIPIENT ? 0 : r;
    found = message_envelope(supposed.message);
    for (size_t i = 0; r >= 0 && i < found->n_recipients; i++)
        r = add_recipient(a, found->recipients[i].address, 0);
    return r;
}

/* A list of the command line; as in a header, its addresses may have no domain. */
static int add_list(Addressing *a, const char *list)
{
    _cleanup_buffer_ Buffer field = {0}, qualified = {0};
    int r = buffer_appendf(&field, "To:%s", list);

    if (r >= 0)
        r = message_qualify(buffer_data(&field), buffer_size(&field), a->domain, &qualified);
    if (r >= 0)
        r = address_list_parse(
            buffer_data(&qualified) + 3, buffer_size(&qualified) - 3, add_recipient, a, a->failure);
    return r;
}

static int add_recipients(Addressing *a, char **lists)
{
    bool from_header = a->options->header_recipients;
    int r = 0;

    for (; r >= 0 && *lists; lists++)
        r = add_list(a, *lists);
    if (r >= 0 && from_header)
        r = add_header_recipients(a);
    if (r < 0 || a->envelope.n_recipients > 0)
        return r;
    return failure_set(a->failure, -EBADMSG, ERROR_NO_RECIPIENT,
        from_header ? "no recipient is given, nor does the header name one"
                    : "no recipient is given; -t takes those that the header names");
}

/* The sender that the header names, or NULL for none. Caller frees. */
static int find_header_sender(Addressing *a, char **ret)
{
    _cleanup_(supposed_done) Supposed supposed = {0};
    char postmaster[] = "postmaster";
    EnvelopeRecipient anybody = {.address = postmaster};
    Envelope asked = {.recipients = &anybody, .n_recipients = 1};
    int r = read_header(a, &asked, &supposed);

    *ret = NULL;
    if (r < 0)
        return a->failure->number == ERROR_NO_SENDER ? 0 : r;
    *ret = strdup(message_envelope(supposed.message)->sender);
    return *ret ? 0 : -ENOMEM;
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

/* -f, or who the header says, or who calls. `header_sender` may be NULL. */
static int set_sender(Addressing *a, const char *header_sender)
{
    _cleanup_free_
    char *address = NULL, *ignored = NULL, *qualified = NULL;
    _cleanup_buffer_ Buffer parameters = {0};
    const char *given = a->options->sender;
    int r = format_parameters(a->options, &parameters);

    if (given && given[0] == '\0')
        given = "<>";
    if (r >= 0 && given)
        r = envelope_parse_field(given, strlen(given), &address, &ignored, a->failure);
    if (r < 0)
        return r;
    if (!address)
        address = header_sender ? strdup(header_sender) : user_name();
    qualified = address ? qualify(a, address) : NULL;
    if (!qualified)
        return -ENOMEM;
    return envelope_set_sender(&a->envelope, qualified,
        buffer_size(&parameters) > 1 ? buffer_data(&parameters) : NULL, a->failure);
}

/* The From field for it: of the envelope's sender, or of the one who sends notices. */
static int format_from(const Addressing *a, Buffer *out)
{
    const char *sender = a->envelope.sender;
    _cleanup_free_
    char *address = sender[0] ? strdup(sender) : qualify(a, "MAILER-DAEMON");

    return address ? sendmail_format_from(a->options->full_name, address, out) : -ENOMEM;
}

/* -N, -R and -V are given to the relay as they stand. */
static int check_parameters(const SendmailOptions *options, Failure *f)
{
    const char *notify = options->notify ?: "never", *ret = options->ret ?: "full";
    bool ok = text_equal_nocase(notify, "never");

    if (!ok)
        for (ok = true; ok && *notify; notify += *notify == ',') {
            size_t n = strcspn(notify, ",");

            ok = (n == 7 && strncasecmp(notify, "success", n) == 0) ||
                 (n == 7 && strncasecmp(notify, "failure", n) == 0) ||
                 (n == 5 && strncasecmp(notify, "delay", n) == 0);
            notify += n;
        }
    if (!ok)
        return failure_set(f, -EBADMSG, ERROR_USAGE,
            "-N is never, or success, failure and delay with commas between them");
    if (!text_equal_nocase(ret, "full") && !text_equal_nocase(ret, "hdrs"))
        return failure_set(f, -EBADMSG, ERROR_USAGE, "-R is full or hdrs");
    if (options->envelope_id && strpbrk(options->envelope_id, " \t\r\n"))
        return failure_set(f, -EBADMSG, ERROR_USAGE, "-V holds a blank");
    return 0;
}

/* Whether the text begins with a header; people pipe a text alone into sendmail as well. */
static bool has_header(const char *text, size_t n)
{
    size_t i = 0;

    while (i < n && text[i] > ' ' && text[i] != ':' && text[i] != 0x7f)
        i++;
    return (i < n && i > 0 && text[i] == ':') || (n > 5 && strncmp(text, "From ", 5) == 0);
}

static int address(Addressing *a, char **recipients, Buffer *out)
{
    bool has_from = sendmail_has_from(a->text);
    _cleanup_buffer_ Buffer from = {0};
    _cleanup_free_
    char *header_sender = NULL;
    int r = find_header_sender(a, &header_sender);

    if (r >= 0)
        r = set_sender(a, header_sender);
    if (r >= 0)
        r = add_recipients(a, recipients);
    if (r >= 0 && !has_from)
        r = format_from(a, &from);
    return r < 0 ? r
                 : message_readdress(buffer_data(a->text), buffer_size(a->text), &a->envelope,
                       has_from ? NULL : buffer_data(&from), out, a->failure);
}

int sendmail_address(
    const SendmailOptions *options, char **recipients, const Buffer *start, Buffer *out, Failure *f)
{
    const char *data = buffer_data(start);
    size_t n = buffer_size(start);
    _cleanup_buffer_ Buffer text = {0};
    _cleanup_free_
    char *domain = read_domain();
    Addressing a = {.options = options, .text = &text, .domain = domain, .failure = f};
    int r = domain ? check_parameters(options, f) : -ENOMEM;

    if (r >= 0 && !has_header(data, n) && data[0] != '\n' && data[0] != '\r')
        r = buffer_append_string(&text, "\n");
    if (r >= 0)
        r = message_qualify(data, n, domain, &text);
    if (r >= 0 && options->notify && asprintf(&a.notify, "NOTIFY=%s", options->notify) < 0)
        r = -ENOMEM;
    if (r >= 0)
        r = address(&a, recipients, out);
    envelope_done(&a.envelope);
    free(a.notify);
    return r == -ENOMEM ? failure_set_errno(f, r, "cannot read the message") : r;
}
