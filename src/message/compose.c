/* Writing a message: the envelope block, the header, the body. Must never let a Bcc address into
 * the header, nor anything that a value holds into another field. */
#include "message/compose.h"

#include <errno.h>
#include <string.h>

#include "base/errors.h"
#include "base/file.h"
#include "base/text.h"
#include "message/address.h"
#include "message/compose_body.h"
#include "message/compose_field.h"
#include "message/compose_own.h"
#include "message/envelope.h"
#include "message/stamp.h"

#define RANDOM_ID_LENGTH 20

static const char *const importances[] = {"high", "normal", "low", NULL};
static const char *const priorities[] = {"normal", "urgent", "non-urgent", NULL};
static const char *const sensitivities[] = {"Personal", "Private", "Company-Confidential", NULL};

/* Puts the part's name in front of the failure. */
static int fail_part(const char *what, int r, Failure *f)
{
    return r == -EINVAL ? failure_prefix(f, -EBADMSG, what) : r;
}

/* The sender of the envelope, and whether there is one author. */
static int take_originators(const Compose *c, Envelope *e, Failure *f)
{
    const char *from = c->from ?: "";
    _cleanup_envelope_ Envelope author = {0};
    int n = envelope_add_originators(&author, from, strlen(from), f);

    if (n < 0)
        return fail_part("from", n, f);
    if (n == 0)
        return failure_set(f, -EBADMSG, ERROR_NO_SENDER, "from: there is no sender; give one");
    if (n > 1)
        return failure_set(
            f, -EBADMSG, ERROR_MESSAGE, "from: there is more than one address; give one");
    if (c->return_path)
        return fail_part("return path", envelope_set_sender_text(e, c->return_path, NULL, f), f);
    return envelope_set_sender(e, author.sender, NULL, f);
}

/* The name under which a field is written; NULL when it is not: the user's own header has it, or is
 * all there is. */
static const char *computed(const ComposeOwn *own, const char *name)
{
    return own->replaces || compose_own_has(own, name) ? NULL : name;
}

/* The fields that also make the envelope, which is made in any case. */
static int put_originators(
    const Compose *c, const ComposeOwn *own, Envelope *e, Buffer *out, Failure *f)
{
    const char *const from[] = {c->from ?: "", NULL}, *const reply_to[] = {c->reply_to, NULL};
    int r = take_originators(c, e, f);

    if (r == 0)
        r = compose_put_addresses("from", computed(own, "From"), from, NULL, out, f);
    if (r == 0)
        r = compose_put_addresses("reply to", computed(own, "Reply-To"), reply_to, NULL, out, f);
    return r;
}

static int put_recipients(
    const Compose *c, const ComposeOwn *own, Envelope *e, Buffer *out, Failure *f)
{
    int r = compose_put_addresses("to", computed(own, "To"), c->to, e, out, f);

    if (r == 0)
        r = compose_put_addresses("cc", computed(own, "Cc"), c->cc, e, out, f);
    if (r == 0)
        r = compose_put_addresses("bcc", NULL, c->bcc, e, out, f);
    if (r < 0 || e->n_recipients > 0)
        return r;
    return failure_set(f, -EBADMSG, ERROR_NO_RECIPIENT,
        "there is no recipient; give at least one as to, cc or bcc");
}

static int put_date(const Compose *c, Buffer *out, Failure *f)
{
    char date[RFC5322_DATE_MAX];

    if (!c->date || strcmp(c->date, "*") == 0)
        return compose_put_date("date", "Date", clock_format_rfc5322(c->now, date), out, f);
    return *c->date ? compose_put_date("date", "Date", c->date, out, f) : 0;
}

static int put_message_id(const Compose *c, const Envelope *e, Buffer *out, Failure *f)
{
    char random[RANDOM_ID_LENGTH + 1];
    _cleanup_buffer_ Buffer id = {0};
    int r;

    if (c->message_id && strcmp(c->message_id, "*") != 0)
        return *c->message_id ? compose_put_id("message id", "Message-ID", c->message_id, out, f)
                              : 0;
    file_random_name(random, RANDOM_ID_LENGTH);
    r = stamp_message_id(&id, random, c->now, address_domain(e->sender));
    if (r == 0)
        r = buffer_append(&id, "", 1);
    return r < 0 ? r : compose_put_id("message id", "Message-ID", buffer_data(&id), out, f);
}

static int put_notifications(const Compose *c, const ComposeOwn *own, Buffer *out, Failure *f)
{
    const char *const delivery[] = {c->delivery_notification_to, NULL};
    const char *const read[] = {c->read_receipt_to, NULL};
    int r = compose_put_addresses(
        "delivery notification to", computed(own, "Return-Receipt-To"), delivery, NULL, out, f);

    if (r < 0)
        return r;
    return compose_put_addresses(
        "read receipt to", computed(own, "Disposition-Notification-To"), read, NULL, out, f);
}

static int put_words(const Compose *c, const ComposeOwn *own, Buffer *out, Failure *f)
{
    const struct {
        const char *what, *name, *word;
        const char *const *allowed;
    } fields[] = {
        {"importance", "Importance", c->importance, importances},
        {"priority", "Priority", c->priority, priorities},
        {"sensitivity", "Sensitivity", c->sensitivity, sensitivities},
    };
    int r = 0;

    for (size_t i = 0; i < ELEMENTSOF(fields) && r == 0; i++)
        if (computed(own, fields[i].name))
            r = compose_put_word(
                fields[i].what, fields[i].name, fields[i].word, fields[i].allowed, out, f);
    return r;
}

/* What a text whose type is the user's own is in, where that has to be told: without it, it is
 * taken for ASCII (RFC 2046, 4.1.2). */
static const char *charset_of_body(const Compose *c, const ComposeOwn *own)
{
    const char *text = c->body ?: "";
    size_t n = strlen(text);

    return own->has_type && !own->is_raw && !text_is_ascii(text, n) && text_is_utf8(text, n)
               ? "utf-8"
               : NULL;
}

static int put_header(const Compose *c, const ComposeOwn *own, Envelope *e, Buffer *out, Failure *f)
{
    int r = put_originators(c, own, e, out, f);

    if (r == 0)
        r = put_recipients(c, own, e, out, f);
    if (r == 0 && computed(own, "Subject"))
        r = compose_put_text("subject", "Subject", c->subject, out, f);
    if (r == 0 && computed(own, "Date"))
        r = put_date(c, out, f);
    if (r == 0 && computed(own, "Message-ID"))
        r = put_message_id(c, e, out, f);
    if (r == 0)
        r = put_notifications(c, own, out, f);
    if (r == 0)
        r = put_words(c, own, out, f);
    return r < 0 ? r : compose_own_put(own, charset_of_body(c, own), out, f);
}

static int put_envelope(const Envelope *e, Buffer *out)
{
    int r = buffer_appendf(out, "X-Sender: <%s>%s%s\n", e->sender, e->sender_parameters ? " " : "",
        e->sender_parameters ?: "");

    for (size_t i = 0; i < e->n_recipients && r == 0; i++)
        r = buffer_appendf(out, "X-Receiver: <%s>\n", e->recipients[i].address);
    return r;
}

static int put_body(const Compose *c, const ComposeOwn *own, Buffer *out, Failure *f)
{
    const char *text = c->body ?: "";

    if (own->is_raw)
        return buffer_append(out, "\n", 1) ?: compose_body_put_raw(text, out);
    return own->has_type ? compose_body_put_encoded(text, out)
                         : compose_body_put(text, c->attachments, out, f);
}

int compose_message(const Compose *c, Buffer *out, Failure *f)
{
    _cleanup_envelope_ Envelope envelope = {0};
    _cleanup_buffer_ Buffer rest = {0};
    ComposeOwn own;
    int r;

    r = compose_own_examine(c->headers, &own, f);
    if (r < 0)
        return r;
    if ((own.is_raw || own.has_type) && c->attachments && c->attachments[0])
        return failure_set(f, -EBADMSG, ERROR_MESSAGE,
            "attachments cannot be added when headers of your own say what the content is");
    r = put_header(c, &own, &envelope, &rest, f);
    if (r == 0 && computed(&own, "MIME-Version"))
        r = buffer_append_string(&rest, "MIME-Version: 1.0\n");
    if (r == 0)
        r = put_body(c, &own, &rest, f);
    if (r == 0)
        r = put_envelope(&envelope, out);
    return r < 0 ? r : buffer_append(out, buffer_data(&rest), buffer_size(&rest));
}
