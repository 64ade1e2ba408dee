/* Writing delivery status notifications. Must never let a byte of what others said end a line or a
 * part, nor name a recipient that has had the message, nor need more of a relay than 7-bit content
 * in short lines. */
#include "message/dsn.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/idn.h"
#include "base/text.h"
#include "message/dsn_advice.h"
#include "message/dsn_original.h"
#include "message/envelope.h"
#include "message/form.h"
#include "message/stamp.h"

/* Bytes of a reply that are told; a line of a header has room for them. */
#define SAID_MAX 900

#define BOUNDARY_MAX 40

#define LINE_WIDTH 78

#define ASK "ask the administrator of this machine, and show this report"

typedef struct Words {
    const char *subject, *first, *action;
} Words;

static const Words words[] = {
    [DSN_FAILED] = {"Undelivered mail",
        "Your message could not be delivered to the recipients below. It is not tried any more.",
        "failed"},
    [DSN_DELAYED] = {"Mail is delayed",
        "Your message could not be delivered yet to the recipients below. It is still being "
        "tried:\n"
        "there is nothing that you need to do.",
        "delayed"},
};

/* ---- what others said ---- */

/* A copy that ends no line: ASCII alone when `ascii`. Caller frees. */
static char *make_line(const char *text, bool ascii)
{
    size_t left = strnlen(text, SAID_MAX), n;
    char *line = malloc(left + 1), *to = line;

    for (; line && left > 0; text += n, left -= n) {
        n = text_character(text, left) ?: 1;
        if (n > 1 && !ascii && text_plain(text, left) > 0)
            to = mempcpy(to, text, n);
        else if (n == 1 && *text >= ' ' && *text < 0x7f)
            *to++ = *text;
        else
            *to++ = n == 1 && (unsigned char)*text < 0x80 ? ' ' : '?';
    }
    if (line)
        *to = '\0';
    return line;
}

/* The name by which this host is known; a word in any case. */
static void host_name(char ret[static HOST_NAME_MAX + 1])
{
    if (gethostname(ret, HOST_NAME_MAX + 1) < 0)
        *ret = '\0';
    ret[HOST_NAME_MAX] = '\0';
    for (char *c = ret; *c; c++)
        if (!text_is_alphanumeric(*c) && !strchr(".-", *c))
            *c = '-';
    if (*ret == '\0')
        strcpy(ret, "localhost");
}

/* ---- fields ---- */

/* `NAME: TYPE; TEXT`, folded before blanks. */
static int put_field(Buffer *out, const char *name, const char *type, const char *text)
{
    _cleanup_free_
    char *line = make_line(text, true);
    size_t column = strlen(name) + 1;
    int r = line ? buffer_appendf(out, "%s:", name) : -ENOMEM;

    if (r >= 0 && type) {
        r = buffer_appendf(out, " %s;", type);
        column += strlen(type) + 2;
    }
    for (char *rest = line, *word; r >= 0 && (word = strsep(&rest, " "));) {
        if (*word == '\0')
            continue;
        column += 1 + strlen(word);
        r = buffer_appendf(out, "%s %s", column > LINE_WIDTH ? "\n" : "", word);
        if (column > LINE_WIDTH)
            column = 1 + strlen(word);
    }
    return r < 0 ? r : buffer_append(out, "\n", 1);
}

static int put_date(Buffer *out, const char *name, usec_t realtime)
{
    char date[RFC5322_DATE_MAX];

    return realtime > 0 ? put_field(out, name, NULL, clock_format_rfc5322(realtime, date)) : 0;
}

/* As "utf-8-addr-xtext" (RFC 6533, 3): what is more than ASCII by its number, and what `special`
 * has. */
static int append_by_numbers(Buffer *out, const char *address, const char *special)
{
    size_t left = strlen(address), n;
    int r = 0;

    for (; r >= 0 && left > 0; address += n, left -= n) {
        uint32_t number = (unsigned char)*address;

        n = text_character(address, left) ?: 1;
        if (n > 1)
            number &= 0xffu >> (n + 1);
        for (size_t i = 1; i < n; i++)
            number = number << 6 | ((unsigned char)address[i] & 0x3f);
        r = n == 1 && !strchr(special, *address) ? buffer_append(out, address, 1)
                                                 : buffer_appendf(out, "\\x{%X}", number);
    }
    return r < 0 ? r : buffer_append(out, "", 1);
}

static int put_address(Buffer *out, const char *name, const char *address)
{
    _cleanup_buffer_ Buffer text = {0};
    int r;

    if (text_is_ascii(address, strlen(address)))
        return put_field(out, name, "rfc822", address);
    r = append_by_numbers(&text, address, "\\+=");
    return r < 0 ? r : put_field(out, name, "utf-8", buffer_data(&text));
}

/* A parameter that was given as xtext, as it was before (RFC 3461, 4); `typed` when it has a type
 * in front. */
static int put_parameter(
    Buffer *out, const char *name, const char *parameters, const char *keyword, bool typed)
{
    _cleanup_buffer_ Buffer text = {0}, ascii = {0};
    size_t n;
    const char *value = envelope_parameter(parameters, keyword, &n), *end = NULL;
    _cleanup_free_
    char *type = NULL;
    int r;

    if (!value)
        return 0;
    end = typed ? memchr(value, ';', n) : NULL;
    if (end && !(type = strndup(value, (size_t)(end - value))))
        return -ENOMEM;
    if (end) {
        n -= (size_t)(end + 1 - value);
        value = end + 1;
    }
    r = envelope_append_from_xtext(&text, value, n);
    if (r >= 0)
        r = buffer_append(&text, "", 1);
    if (r < 0 || !type || !text_equal_nocase(type, "utf-8"))
        return r < 0 ? r : put_field(out, name, type, buffer_data(&text));
    r = append_by_numbers(&ascii, buffer_data(&text), ""); /* it may be written so already */
    return r < 0 ? r : put_field(out, name, type, buffer_data(&ascii));
}

/* ---- the parts ---- */

static int begin_part(Buffer *out, const char *boundary, const char *fields)
{
    return buffer_appendf(out, "\n--%s\n%s\n", boundary, fields);
}

static int tell_codes(Buffer *out, const DsnRecipient *recipient)
{
    if (recipient->code == 0)
        return 0;
    return buffer_appendf(
        out, "%d %s%s", recipient->code, recipient->enhanced, *recipient->enhanced ? " " : "");
}

static int tell_line(Buffer *out, const char *before, const char *text)
{
    _cleanup_free_
    char *line = text ? make_line(text, false) : NULL;

    if (!text)
        return 0;
    return line ? buffer_appendf(out, "%s%s.\n", before, line) : -ENOMEM;
}

/* What whom it is for can do; NULL: nothing, or nothing is known. */
static const char *advice_of(const Dsn *dsn, const DsnRecipient *recipient)
{
    const char *advice = dsn->action == DSN_FAILED ? dsn_advice(recipient) : NULL;

    if (!dsn->to_sender)
        return advice ?: dsn->hint;
    return dsn->action == DSN_FAILED ? advice ?: ASK : NULL;
}

/* Whether it is the same for all, so that it is told once. */
static bool has_one_advice(const Dsn *dsn)
{
    for (size_t i = 1; i < dsn->n_recipients; i++)
        if (!text_equal(advice_of(dsn, &dsn->recipients[0]), advice_of(dsn, &dsn->recipients[i])))
            return false;
    return true;
}

/* `advice` is theirs alone; or NULL. */
static int tell_recipient(Buffer *out, const DsnRecipient *recipient, const char *advice)
{
    _cleanup_free_
    char *text = make_line(recipient->text, false);
    _cleanup_free_
    char *address = make_line(recipient->address, false);
    int r;

    if (!text || !address)
        return -ENOMEM;
    r = buffer_appendf(out, "\n<%s>\n    ", address);
    if (r >= 0 && recipient->host)
        r = buffer_appendf(out, "%s %s: ", recipient->host,
            recipient->code == 0 ? "could not take it"
            : recipient->refused ? "refused it"
                                 : "put it off");
    if (r >= 0)
        r = tell_codes(out, recipient);
    if (r >= 0)
        r = buffer_appendf(out, "%s\n", text);
    return r < 0 ? r : tell_line(out, "    What can be done: ", advice);
}

/* For a person. */
static int put_explanation(const Dsn *dsn, const char *host, Buffer *out)
{
    char date[RFC5322_DATE_MAX];
    bool one = has_one_advice(dsn);
    _cleanup_free_
    char *id = make_line(dsn->id, false);
    int r = id ? buffer_appendf(
                     out, "This is the mail queue of %s.\n\n%s\n", host, words[dsn->action].first)
               : -ENOMEM;

    for (size_t i = 0; i < dsn->n_recipients && r >= 0; i++)
        r = tell_recipient(
            out, &dsn->recipients[i], one ? NULL : advice_of(dsn, &dsn->recipients[i]));
    if (r >= 0 && dsn->n_more > 0)
        r = buffer_appendf(out, "\nand %zu more.\n", dsn->n_more);
    if (r >= 0)
        r = tell_line(out, "\nIn all: ", dsn->reason);
    if (r >= 0 && one && dsn->n_recipients > 0)
        r = tell_line(out, "\nWhat can be done: ", advice_of(dsn, &dsn->recipients[0]));
    if (r >= 0)
        r = buffer_appendf(out, "\nThe message is %s in the queue", id);
    if (r >= 0 && dsn->arrival > 0)
        r = buffer_appendf(
            out, ", and came there on\n%s", clock_format_rfc5322(dsn->arrival, date));
    return r < 0 ? r
                 : buffer_append_string(
                       out, ".\nWhat follows says the same for programs, and shows the message.\n");
}

/* The code of a reply that has no enhanced one says its class; of a fault nothing more is known
 * (RFC 3463, 3.1). */
static const char *status_of(const DsnRecipient *recipient)
{
    if (*recipient->enhanced)
        return recipient->enhanced;
    return recipient->refused ? "5.0.0" : "4.0.0";
}

static int put_diagnostic(Buffer *out, const DsnRecipient *recipient)
{
    _cleanup_buffer_ Buffer text = {0};
    int r = tell_codes(&text, recipient);

    if (r >= 0)
        r = buffer_append(&text, recipient->text, strlen(recipient->text) + 1);
    if (r < 0)
        return r;
    return put_field(
        out, "Diagnostic-Code", recipient->code > 0 ? "smtp" : "x-outbox", buffer_data(&text));
}

static int put_recipient(Buffer *out, const Dsn *dsn, const DsnRecipient *recipient)
{
    int r = buffer_append(out, "\n", 1);

    if (r >= 0)
        r = put_parameter(out, "Original-Recipient", recipient->parameters, "ORCPT", true);
    if (r >= 0)
        r = put_address(out, "Final-Recipient", recipient->address);
    if (r >= 0)
        r = put_field(out, "Action", NULL, words[dsn->action].action);
    if (r >= 0)
        r = put_field(out, "Status", NULL, status_of(recipient));
    if (r >= 0 && recipient->host)
        r = put_field(out, "Remote-MTA", "dns", recipient->host);
    if (r >= 0)
        r = put_diagnostic(out, recipient);
    if (r >= 0)
        r = put_date(out, "Last-Attempt-Date", recipient->last_attempt);
    return r < 0 ? r : put_date(out, "Will-Retry-Until", dsn->until);
}

/* For programs (RFC 3464, 2). */
static int put_status(const Dsn *dsn, const char *host, Buffer *out)
{
    int r = put_parameter(out, "Original-Envelope-Id", dsn->sender_parameters, "ENVID", false);

    if (r >= 0)
        r = put_field(out, "Reporting-MTA", "dns", host);
    if (r >= 0)
        r = put_field(out, "X-Outbox-Message", NULL, dsn->id);
    if (r >= 0)
        r = put_date(out, "Arrival-Date", dsn->arrival);
    for (size_t i = 0; i < dsn->n_recipients && r >= 0; i++)
        r = put_recipient(out, dsn, &dsn->recipients[i]);
    return r;
}

/* ---- the whole ---- */

static int put_original(const DsnOriginal *original, const char *boundary, Buffer *out)
{
    int r;

    if (buffer_size(&original->text) == 0)
        return 0;
    r = buffer_appendf(out,
        "\n--%s\nContent-Description: %s\nContent-Type: %s\nContent-Transfer-Encoding: %s\n\n",
        boundary, original->description, original->type, original->encoding);
    return r < 0 ? r
                 : buffer_append(out, buffer_data(&original->text), buffer_size(&original->text));
}

static bool contains(const Buffer *text, const char *what)
{
    return buffer_size(text) > 0 &&
           memmem(buffer_data(text), buffer_size(text), what, strlen(what)) != NULL;
}

/* One that none of the parts has, and that is the same whenever they are. */
static void choose_boundary(
    const Dsn *dsn, const Buffer *human, const Buffer *original, char ret[static BOUNDARY_MAX])
{
    uint64_t hash = dsn->arrival;

    for (const char *c = dsn->id; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 1099511628211u;
    do {
        (void)snprintf(ret, BOUNDARY_MAX, "=_outbox_%016llx", (unsigned long long)hash);
        hash = hash * 6364136223846793005u + 1442695040888963407u;
    } while (contains(human, ret) || contains(original, ret));
}

static int put_header(const Dsn *dsn, const char *to, const char *boundary, Buffer *out)
{
    char host[HOST_NAME_MAX + 1];
    const char *at = strrchr(to, '@');
    int r = buffer_appendf(out,
        "X-Sender: <>\nX-Receiver: <%s> NOTIFY=NEVER\n"
        "From: Mail Delivery System <MAILER-DAEMON@%s>\n",
        to, stamp_domain(at ? at + 1 : NULL, host));

    return r < 0 ? r
                 : buffer_appendf(out,
                       "To: <%s>\nSubject: %s\nAuto-Submitted: auto-replied\nMIME-Version: 1.0\n"
                       "Content-Type: multipart/report; report-type=delivery-status;\n"
                       " boundary=\"%s\"\n\n",
                       to, words[dsn->action].subject, boundary);
}

/* The explanation, its part's header in front. */
static int make_human(const Dsn *dsn, const char *host, Buffer *out)
{
    _cleanup_buffer_ Buffer text = {0};
    int r = put_explanation(dsn, host, &text);
    bool fits = form_fits(buffer_data(&text), buffer_size(&text));

    if (r >= 0)
        r = buffer_appendf(out,
            "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: %s\n\n",
            fits ? "7bit" : "quoted-printable");
    if (r < 0)
        return r;
    return fits ? buffer_append(out, buffer_data(&text), buffer_size(&text))
                : encode_quoted_printable(buffer_data(&text), buffer_size(&text), out);
}

static int put_parts(
    const Dsn *dsn, const char *host, const Buffer *human, const char *boundary, Buffer *out)
{
    int r = buffer_appendf(out, "--%s\n", boundary);

    if (r >= 0)
        r = buffer_append(out, buffer_data(human), buffer_size(human));
    if (r >= 0)
        r = begin_part(out, boundary, "Content-Type: message/delivery-status\n");
    return r < 0 ? r : put_status(dsn, host, out);
}

int dsn_format(const Dsn *dsn, Buffer *out)
{
    _cleanup_buffer_ Buffer human = {0};
    _cleanup_(dsn_original_done) DsnOriginal original = {0};
    _cleanup_free_
    char *to = NULL;
    char host[HOST_NAME_MAX + 1], boundary[BOUNDARY_MAX];
    int r = dsn_original_read(dsn, &original);

    host_name(host);
    if (r >= 0)
        r = make_human(dsn, host, &human);
    if (r >= 0)
        r = address_to_ascii_domain(dsn->to, &to);
    if (r < 0)
        return r;
    choose_boundary(dsn, &human, &original.text, boundary);
    r = put_header(dsn, to ?: dsn->to, boundary, out);
    if (r >= 0)
        r = put_parts(dsn, host, &human, boundary, out);
    if (r >= 0)
        r = put_original(&original, boundary, out);
    return r < 0 ? r : buffer_appendf(out, "\n--%s--\n", boundary);
}
